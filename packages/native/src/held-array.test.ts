import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { heldArray } from './held-array.ts';
import { keepInThread } from './untransferable.ts';

/** Node 20 copies what is to stay, later versions refuse. */
async function tryToMove(buffer: ArrayBuffer): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const attempts = [
    async () => structuredClone(buffer, { transfer: [buffer] }),
    async () => port1.postMessage(buffer, [buffer]),
  ];
  await Promise.allSettled(attempts.map((attempt) => attempt()));
  port1.close();
  port2.close();
}

describe('an array for C++ to work on', () => {
  it.each([1, 7, 100, 4096, 100_000])('has %i zeroes', (length) => {
    for (const kind of [Uint8Array, Uint16Array, Int32Array, Float64Array]) {
      const array = heldArray<InstanceType<typeof kind>>(kind, length);
      expect(array).toBeInstanceOf(kind);
      expect(array).toHaveLength(length);
      expect(array.every((each) => each === 0)).toBe(true);
    }
  });

  it('shares its memory with no other', () => {
    const arrays = Array.from({ length: 2000 }, (_, i) => heldArray(Int32Array, 1 + (i % 37)));
    for (const [i, array] of arrays.entries()) array.fill(i);
    for (const [i, array] of arrays.entries()) expect(array.every((each) => each === i)).toBe(true);
  });

  it.each([8, 100_000])('stays in its thread, with %i entries', async (length) => {
    const array = heldArray(Int32Array, length).fill(5);
    keepInThread(array.buffer);
    await tryToMove(array.buffer);
    expect(array).toHaveLength(length);
    expect(array[length - 1]).toBe(5);
  });

  it('has a length as every array', () => {
    expect(heldArray(Int32Array, 0)).toHaveLength(0);
    expect(heldArray(Int32Array, Number.NaN)).toHaveLength(0);
    expect(() => heldArray(Int32Array, -1)).toThrow(RangeError);
    expect(() => heldArray(Float64Array, 2 ** 50)).toThrow(RangeError);
    expect(heldArray(Int32Array, 3)).toEqual(new Int32Array(3));
  });
});
