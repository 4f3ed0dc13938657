import fc from 'fast-check';
import { failureOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { SharedMemory } from '../memory/shared-memory.ts';
import {
  type CopyQueue,
  type CopyRings,
  longestCopy,
  nativeCopyQueue,
  noteWord,
  twinCopyQueue,
} from './copy-queue.ts';
import { copyPairs } from './layouts.ts';

type Copy = readonly [source: number, from: number, destination: number, to: number, bytes: number];

const rings = (descriptors = 8, copies = 32): CopyRings => ({
  descriptors: new Int32Array(2 * descriptors),
  copies: new Int32Array(3 * copies),
  pairs: new Int32Array(2 * copyPairs),
});

/** Notes a copy, between the memories of a pair of its own. */
function note(
  { copies, pairs }: CopyRings,
  number: number,
  [source, from, destination, to, bytes]: Copy,
): void {
  const entry = number % (copies.length / 3);
  const pair = copyPairs - 1 - entry;
  pairs.set([source, destination], 2 * pair);
  copies.set([from, to, noteWord(pair, bytes)], 3 * entry);
}

/** Describes and submits descriptors, and waits until they are done. */
class Producer {
  readonly queue: CopyQueue;
  readonly #rings: CopyRings;
  #head = 0;
  #copy = 0;
  #failures = 0;

  constructor(queue: CopyQueue, of: CopyRings) {
    this.queue = queue;
    this.#rings = of;
  }

  /** @returns of each descriptor whether it failed */
  run(...descriptors: readonly (readonly Copy[])[]): boolean[] {
    const { descriptors: words } = this.#rings;
    const first = this.#head;
    for (const each of descriptors) {
      const at = 2 * (this.#head++ % (words.length / 2));
      words[at] = this.#copy;
      words[at + 1] = each.length;
      for (const copy of each) note(this.#rings, this.#copy++, copy);
    }
    this.queue.submit(this.#head);
    this.queue.drain();
    if (this.queue.done() !== this.#head) throw new Error(`${this.queue.done()} of ${this.#head} are done`);
    const results = descriptors.map((_, i) => this.queue.failed(first + i));
    this.#failures += results.filter(Boolean).length;
    if (this.queue.failures() !== this.#failures)
      throw new Error(`${this.#failures} have failed, not ${this.queue.failures()}`);
    return results;
  }
}

describe.each([
  ['a thread that never sleeps', (of: CopyRings) => nativeCopyQueue(of, 1e9)],
  ['a thread that sleeps at once', (of: CopyRings) => nativeCopyQueue(of, 0)],
  ['its twin', twinCopyQueue],
])('%s', (_name, create) => {
  const using = (queue: CopyQueue, run: () => void): void => {
    try {
      run();
    } finally {
      queue.stop();
    }
  };

  it('copies as a plain loop does, for any copies, around its rings', () => {
    const number = fc.integer({ min: -1, max: 70 });
    const copy = fc.tuple(
      fc.integer({ min: -1, max: 3 }),
      number,
      fc.integer({ min: 0, max: 3 }),
      number,
      fc.integer({ min: 0, max: 70 }),
    );
    const runs = fc.array(fc.array(fc.array(copy, { maxLength: 4 }), { maxLength: 8 }), { maxLength: 8 });
    fc.assert(
      fc.property(runs, (all) => {
        const of = rings();
        const queue = create(of);
        const sizes = [64, 40, 1];
        const buffers = sizes.map((size, i) => Uint8Array.from({ length: size }, (_, k) => k + 80 * i));
        const model = buffers.map((bytes) => bytes.slice());
        using(queue, () => {
          for (const [i, { buffer, byteLength }] of buffers.entries())
            queue.register(i, buffer, 0, byteLength);
          const producer = new Producer(queue, of);
          for (const run of all)
            expect(producer.run(...run)).toEqual(
              run.map((copies) => !copies.every((each) => modelCopy(model, each))),
            );
          expect(buffers).toEqual(model);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('knows parts of buffers, and forgets them', () => {
    const of = rings();
    const queue = create(of);
    using(queue, () => {
      const producer = new Producer(queue, of);
      const bytes = Uint8Array.from({ length: 64 }, (_, i) => i);
      queue.register(7, bytes.buffer, 16, 8);
      expect(producer.run([[7, 0, 7, 4, 4]], [[7, 0, 7, 5, 4]])).toEqual([false, true]);
      expect([...bytes.subarray(16, 24)]).toEqual([16, 17, 18, 19, 16, 17, 18, 19]);
      queue.unregister(7);
      expect(producer.run([[7, 0, 7, 4, 4]])).toEqual([true]);
      expect(failureOf(() => queue.register(7, bytes.buffer, 60, 8))).toMatchObject({
        code: 'VIO_MEMORY_RANGE',
      });
    });
  });

  it('copies as many bytes as can be said', () => {
    const of = rings();
    const queue = create(of);
    using(queue, () => {
      const bytes = Uint8Array.from({ length: 2 * longestCopy }, (_, i) => i % 251);
      queue.register(0, bytes.buffer, 0, bytes.length);
      expect(new Producer(queue, of).run([[0, 0, 0, longestCopy, longestCopy]])).toEqual([false]);
      expect(Buffer.compare(bytes.subarray(longestCopy), bytes.subarray(0, longestCopy))).toBe(0);
    });
  });

  it('ends with what it was given done, and twice', () => {
    const of = rings();
    const queue = create(of);
    const bytes = new Uint8Array([1, 2, 3, 4]);
    queue.register(0, bytes.buffer, 0, 4);
    note(of, 0, [0, 0, 0, 2, 2]);
    of.descriptors.set([0, 1]);
    queue.submit(1);
    queue.stop();
    queue.stop();
    expect([[...bytes], queue.done()]).toEqual([[1, 2, 1, 2], 1]);
  });

  it('copies to memory that its owner takes away meanwhile', () => {
    const of = rings();
    const queue = create(of);
    using(queue, () => {
      const memory = SharedMemory.create({ size: 65_536, name: 'vio-test-copies' });
      queue.register(0, memory.buffer, 0, 65_536);
      memory.close();
      expect(new Producer(queue, of).run([[0, 0, 0, 4096, 4096]])).toEqual([false]);
    });
  });
});

/** @returns false when it names what is not there: nothing of it was copied */
function modelCopy(buffers: readonly Uint8Array[], [source, from, destination, to, bytes]: Copy): boolean {
  const fits = (memory: number, at: number): boolean =>
    memory in buffers && at >= 0 && bytes >= 0 && at + bytes <= buffers[memory].length;
  if (!fits(source, from) || !fits(destination, to)) return false;
  buffers[destination].set(buffers[source].slice(from, from + bytes), to);
  return true;
}
