import { ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { collectGarbage, failureOf, scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { type CopyEngine, copyOpWords, nativeCopyEngine, twinCopyEngine } from './copy.ts';
import { closeFd } from '../fds/fd.ts';
import { SharedMemory } from '../memory/shared-memory.ts';

const directory = scratchDirectory();

/** Source handle, source offset, destination handle, destination offset, bytes. */
type Copy = readonly [number, number, number, number, number];

const most = 2 ** 31 - 1;
const least = -(2 ** 31);

function runCopies(engine: CopyEngine, copies: readonly Copy[]): number {
  engine.ops.set(copies.flat());
  return engine.run(copies.length);
}

/** Bytes 1, 2, 3, ... */
function counting(bytes: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: bytes }, (_, i) => i + 1);
}

/** What every engine has to do, as plainly as it can be said. @returns as `run` */
function modelRun(buffers: readonly Uint8Array[], copies: readonly Copy[]): number {
  for (const [index, [source, from, destination, to, bytes]] of copies.entries()) {
    const fits = (handle: number, offset: number): boolean =>
      handle in buffers && offset >= 0 && bytes >= 0 && offset + bytes <= buffers[handle].length;
    if (!fits(source, from) || !fits(destination, to)) return index;
    buffers[destination].set(buffers[source].slice(from, from + bytes), to);
  }
  return copies.length;
}

const sizes = [1, 15, 64, 300];
const offset = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 160 }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 299, 300, 301, most, least) },
);
const length = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 140 }) },
  { weight: 1, arbitrary: fc.constantFrom(15, 16, 17, 31, 32, 33, 63, 64, 65, 300) },
  { weight: 1, arbitrary: fc.constantFrom(-1, most, least) },
);
const handle = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(2, 3, 3, 3) },
  { weight: 4, arbitrary: fc.constantFrom(0, 1) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 4, most, least) },
);
const copies = fc.array(fc.tuple(handle, offset, handle, offset, length), { maxLength: 40 });

describe.each([
  ['the native engine', nativeCopyEngine],
  ['its twin', twinCopyEngine],
])('%s', (_name, createEngine) => {
  it('does what the model does, for any copies', () => {
    fc.assert(
      fc.property(copies, (list) => {
        const engine = createEngine(64);
        const buffers = sizes.map(counting);
        const expected = sizes.map(counting);
        for (const buffer of buffers) engine.register(buffer.buffer);
        const done = runCopies(engine, list);
        expect([done, buffers]).toEqual([modelRun(expected, list), expected]);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    [0, 'all at once'],
    [1, 'forwards'],
    [3, 'backwards'],
  ])('copies overlapping ranges as if through a buffer in between (shift %d, %s)', (shift) => {
    const outcomes = [1, 8, 15, 16, 20, 31, 32, 48, 63, 64, 65, 200, 4000].flatMap((bytes) =>
      [shift, -shift].map((distance) => {
        const engine = createEngine();
        const buffer = counting(5000);
        const expected = counting(5000);
        const self = engine.register(buffer.buffer);
        runCopies(engine, [[self, 100, self, 100 + distance, bytes]]);
        expected.copyWithin(100 + distance, 100, 100 + bytes);
        return Buffer.compare(buffer, expected);
      }),
    );
    expect(outcomes.filter((outcome) => outcome !== 0)).toEqual([]);
  });

  it('runs copies in their order', () => {
    const engine = createEngine();
    const buffer = counting(3);
    const self = engine.register(buffer.buffer);
    runCopies(engine, [
      [self, 0, self, 1, 1],
      [self, 1, self, 2, 1],
    ]);
    expect([...buffer]).toEqual([1, 1, 1]);
  });

  it.each<[string, Copy]>([
    ['a source offset below zero', [0, -1, 1, 0, 1]],
    ['a source that ends one byte too far', [0, 0, 1, 0, 65]],
    ['a source that begins at the end', [0, 64, 1, 0, 1]],
    ['a source offset that overflows', [0, most, 1, 0, most]],
    ['a destination offset below zero', [0, 0, 1, -1, 1]],
    ['a destination that ends one byte too far', [0, 0, 1, 97, 32]],
    ['a destination that begins past the end', [0, 0, 1, 129, 0]],
    ['a destination offset that overflows', [0, 0, 1, most, 64]],
    ['the least offset', [0, least, 1, least, 1]],
    ['a length below zero', [0, 0, 1, 0, -1]],
    ['the least length', [0, 64, 1, 64, least]],
    ['a source that was never registered', [2, 0, 1, 0, 1]],
    ['a destination that was never registered', [0, 0, 2, 0, 1]],
    ['a handle below zero', [-1, 0, 1, 0, 0]],
    ['the greatest handle', [0, 0, most, 0, 0]],
    ['the least handle', [least, 0, 1, 0, 0]],
  ])('stops at %s: it and the rest do not happen', (_what, bad) => {
    const engine = createEngine();
    engine.register(counting(64).buffer);
    const destination = new Uint8Array(128);
    engine.register(destination.buffer);
    const done = runCopies(engine, [[0, 4, 1, 0, 1], bad, [0, 9, 1, 1, 100], [0, 9, 1, 1, 1]]);
    expect([done, destination[0], destination.subarray(1).every((byte) => byte === 0)]).toEqual([1, 5, true]);
  });

  it('counts from where a part of a buffer begins, and stops at its end', () => {
    const engine = createEngine();
    const bytes = counting(64);
    const part = engine.register(bytes.buffer, 16, 8);
    const done = runCopies(engine, [
      [part, 0, part, 7, 1],
      [part, 0, part, 8, 1],
    ]);
    const expected = counting(64);
    expected[23] = expected[16];
    expect([done, bytes]).toEqual([1, expected]);
  });

  it.each([
    [-8, 8],
    [0, 65],
    [57, 8],
    [65, 0],
    [0, -1],
    [0.5, 8],
    [0, Number.NaN],
  ])('refuses a part that the buffer does not have: %d, %d', (byteOffset, byteLength) => {
    const { code } = failureOf(() => createEngine().register(new ArrayBuffer(64), byteOffset, byteLength));
    expect(code).toBe('VIO_MEMORY_RANGE');
  });

  it('copies nothing from the end to the end', () => {
    const engine = createEngine();
    engine.register(new ArrayBuffer(8));
    expect(runCopies(engine, [[0, 8, 0, 8, 0]])).toBe(1);
  });

  it('refuses the handle of a buffer that was forgotten', () => {
    const engine = createEngine();
    const self = engine.register(new ArrayBuffer(8));
    engine.unregister(self);
    engine.unregister(self);
    expect(runCopies(engine, [[self, 0, self, 0, 1]])).toBe(0);
  });

  it('gives a free handle to the next buffer', () => {
    const engine = createEngine();
    const handles = [1, 2, 3].map((bytes) => engine.register(new ArrayBuffer(bytes)));
    engine.unregister(handles[1]);
    expect([handles, engine.register(new ArrayBuffer(4)), runCopies(engine, [[1, 3, 1, 0, 1]])]).toEqual([
      [0, 1, 2],
      1,
      1,
    ]);
  });

  it.each([-1, 3, most])('forgets nothing by the handle %d, which nobody has', (handleOfNobody) => {
    const engine = createEngine();
    const self = engine.register(new ArrayBuffer(8));
    engine.unregister(handleOfNobody);
    expect(runCopies(engine, [[self, 0, self, 0, 8]])).toBe(1);
  });

  it('runs no more copies than it has room for', () => {
    const engine = createEngine(2);
    const self = engine.register(new ArrayBuffer(8));
    engine.ops.set([self, 0, self, 1, 1, self, 0, self, 1, 1]);
    expect([engine.ops.length, engine.run(most)]).toEqual([2 * copyOpWords, 2]);
  });

  it('runs nothing when it is asked for nothing', () => {
    expect(createEngine().run(0)).toBe(0);
  });

  it('keeps engines apart', () => {
    const [one, other] = [createEngine(), createEngine()];
    one.register(new ArrayBuffer(8));
    expect(runCopies(other, [[0, 0, 0, 0, 1]])).toBe(0);
  });

  it('copies between mappings', () => {
    using here = SharedMemory.create({ size: 1 });
    using there = SharedMemory.create({ size: 1 });
    new Uint8Array(here.buffer)[5] = 77;
    const engine = createEngine();
    runCopies(engine, [[engine.register(here.buffer), 5, engine.register(there.buffer), 9, 1]]);
    expect(new Uint8Array(there.buffer)[9]).toBe(77);
  });

  it('copies zeroes from memory that was closed', () => {
    const memory = SharedMemory.create({ size: 1 });
    new Uint8Array(memory.buffer).fill(1);
    const destination = counting(64);
    const engine = createEngine();
    const source = engine.register(memory.buffer);
    const target = engine.register(destination.buffer);
    memory.close();
    const done = runCopies(engine, [
      [source, 0, target, 0, 64],
      [target, 0, source, 0, 64],
    ]);
    expect([done, destination.every((byte) => byte === 0)]).toEqual([2, true]);
  });

  it('copies zeroes from a file that was truncated under its mapping', () => {
    const fd = openSync(join(directory, 'truncated'), 'w+');
    ftruncateSync(fd, 4096);
    using mapping = SharedMemory.map(fd, { size: 4096 });
    ftruncateSync(fd, 0);
    const destination = counting(200);
    const engine = createEngine();
    const done = runCopies(engine, [
      [engine.register(mapping.buffer), 0, engine.register(destination.buffer), 0, 200],
    ]);
    expect([done, mapping.faulted, destination.every((byte) => byte === 0)]).toEqual([1, true, true]);
    closeFd(fd);
  });

  it('holds on to the memory of its buffers', () => {
    const engine = createEngine();
    const destination = counting(64);
    const source = ((): number => engine.register(counting(1 << 20).buffer))();
    const target = engine.register(destination.buffer);
    collectGarbage();
    runCopies(engine, [[source, 256, target, 0, 3]]);
    expect([...destination.subarray(0, 4)]).toEqual([1, 2, 3, 4]);
  });

  it('lets nobody transfer a registered buffer away', async () => {
    const buffer = new ArrayBuffer(8);
    createEngine().register(buffer);
    const transfer = async (): Promise<unknown> => structuredClone(buffer, { transfer: [buffer] });
    await Promise.allSettled([transfer()]); // Node 20 copies instead, later versions throw
    expect(buffer.byteLength).toBe(8);
  });

  it('refuses a buffer that is empty or was transferred away', () => {
    const gone = new ArrayBuffer(8);
    structuredClone(gone, { transfer: [gone] });
    const codes = [gone, new ArrayBuffer(0)].map(
      (buffer) => failureOf(() => createEngine().register(buffer)).code,
    );
    expect(codes).toEqual(['VIO_MEMORY_RANGE', 'VIO_MEMORY_RANGE']);
  });

  it('works through any of its functions alone, whatever else was dropped', () => {
    const destination = counting(8);
    const run = ((): (() => number) => {
      const engine = createEngine();
      const self = engine.register(destination.buffer);
      engine.ops.set([self, 7, self, 0, 1]);
      return engine.run.bind(undefined, 1);
    })();
    collectGarbage();
    expect([run(), destination[0]]).toEqual([1, 8]);
  });
});
