import { describe, expect, it } from 'vitest';
import { ChainBytes } from './chain-bytes.ts';
import { formats, setUp } from '../test-support/device-setup.ts';

/** A chain of buffers with 1 to 9 and room of 1, 0 and 4 bytes. */
function chainOf(format: 'split' | 'packed') {
  const { driver, queue, chains, memory } = setUp(format);
  const parts = [[1, 2, 3], [4], [5, 6, 7, 8, 9]];
  const room = [1, 0, 4].map((length) => ({ address: driver.memory.alloc(16), length, writable: true }));
  driver.expose(
    [{ address: driver.memory.base, length: 1 }],
    [
      ...parts.map((bytes) => ({
        address: driver.memory.put(Uint8Array.from(bytes)),
        length: bytes.length,
      })),
      ...room,
    ],
  );
  queue.fetch(chains, 32);
  const written = () => room.flatMap(({ address, length }) => [...driver.memory.read(address, length)]);
  return { chains, bytes: new ChainBytes(memory), written };
}

describe.each(formats)('%s: the bytes of a chain', (format) => {
  it.each([
    [0, 9, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [2, 3, [3, 4, 5]],
    [4, 2, [5, 6]],
    [7, 9, [8, 9]],
    [9, 1, []],
    [100, 1, []],
    [3, 0, []],
  ])('are read from %i, %i of them, across segments', (at, count, expected) => {
    const { chains, bytes } = chainOf(format);
    const target = new Uint8Array(count);
    const read = bytes.read(chains, 1, at, target);
    expect([...target.subarray(0, read)]).toEqual(expected);
    expect(bytes.readable(chains, 1, at, count).flatMap((view) => [...view])).toEqual(expected);
  });

  it.each([
    [0, [7, 8, 9], 3, [7, 8, 9, 0, 0]],
    [1, [7], 1, [0, 7, 0, 0, 0]],
    [3, [7, 8, 9], 2, [0, 0, 0, 7, 8]],
    [5, [7], 0, [0, 0, 0, 0, 0]],
  ])('are written from %i: %j', (at, source, count, expected) => {
    const { chains, bytes, written } = chainOf(format);
    expect(bytes.write(chains, 1, at, Uint8Array.from(source))).toBe(count);
    expect(written()).toEqual(expected);
  });
});
