import { addon } from '../addon.ts';
import { attempt } from '../system-error.ts';
import { keepInThread } from '../untransferable.ts';
import { holdable } from './copy.ts';
import { copyNoteBits, copyThreadControl, copyThreadControlWords } from './layouts.ts';
import type { NotedRings } from './notes-kernel.ts';

const TAIL = copyThreadControl.tail;
const FAILURES = copyThreadControl.failures;

/** Numbers of descriptors and copies run freely, and begin anew behind this one: they stay small integers. */
export const numberMask = 0x3fff_ffff;

/** The rings that describe copies to whoever makes them, and between which memories those are. */
export interface CopyRings extends NotedRings {
  /** Two int32 for each of `copyPairs` pairs of memories: source, destination. A pair changes only while nothing submitted names it. */
  readonly pairs: Int32Array;
}

const copyWords = 3;
/** Most bytes of one copy. */
export const longestCopy = (1 << copyNoteBits) - 1;

/** The third number of a copy: what the pair of its memories is called, and its bytes. */
export function noteWord(pair: number, bytes: number): number {
  return (pair << copyNoteBits) | bytes;
}

/** A queue of copies between memories, and what does them: beside this thread, or at once. */
export interface CopyQueue {
  /** Makes a part of a buffer known by a free number, 0 to 8191, and holds the buffer. @throws VioError VIO_MEMORY_RANGE */
  register(memory: number, buffer: ArrayBuffer, byteOffset: number, byteLength: number): void;
  /** Forgets it. No descriptor that was submitted names it any more. */
  unregister(memory: number): void;
  /** Submits the descriptors up to the one of this number. */
  submit(head: number): void;
  /** @returns the number up to which descriptors are done */
  done(): number;
  /** @returns how many descriptors have failed so far; those that `done` told of before are among them */
  failures(): number;
  /** @returns true when a descriptor that is done named memory that is not there: some of it was not copied */
  failed(descriptor: number): boolean;
  /** Returns when all that was submitted is done. */
  drain(): void;
  /** Ends it, once all that was submitted is done. Idempotent. */
  stop(): void;
}

const memories = 8192;

/**
 * Copies in a thread of its own, by a ring without locks.
 * @param spin microseconds for which it looks for work until it sleeps
 * @throws VioError VIO_SYS_EAGAIN when there can be no more threads
 */
export function nativeCopyQueue({ descriptors, copies, pairs }: CopyRings, spin: number): CopyQueue {
  const control = new Int32Array(copyThreadControlWords);
  const failed = new Int32Array(descriptors.length / 2);
  for (const { buffer } of [control, failed, descriptors, copies, pairs]) keepInThread(buffer);
  const arrays = { control, descriptors, copies, pairs, failed };
  const thread = attempt(() => addon.createCopyThread(arrays, memories, spin), 'start a thread that copies');
  return {
    register: (memory, buffer, byteOffset, byteLength) =>
      thread.register(memory, holdable(buffer, byteOffset, byteLength), byteOffset, byteLength),
    unregister: (memory) => thread.unregister(memory),
    submit: (head) => thread.submit(head),
    done: () => Atomics.load(control, TAIL),
    failures: () => Atomics.load(control, FAILURES),
    failed: (descriptor) => failed[descriptor & (failed.length - 1)] !== 0,
    drain: () => thread.drain(),
    stop: () => thread.stop(),
  };
}

/** The same in TypeScript, at once in this thread. */
export function twinCopyQueue({ descriptors, copies, pairs }: CopyRings): CopyQueue {
  const known: (Uint8Array | undefined)[] = [];
  const failed = new Uint8Array(descriptors.length / 2);
  const copyMask = copies.length / copyWords - 1;
  let tail = 0;
  let failures = 0;
  const part = (memory: number, offset: number, bytes: number): Uint8Array | undefined => {
    const all = known[memory];
    return all !== undefined && offset >= 0 && offset + bytes <= all.length
      ? all.subarray(offset, offset + bytes)
      : undefined;
  };
  const run = (descriptor: number): boolean => {
    const at = 2 * (descriptor & (failed.length - 1));
    for (let i = 0; i < descriptors[at + 1]; i++) {
      const copy = ((descriptors[at] + i) & copyMask) * copyWords;
      const pair = copies[copy + 2] >>> copyNoteBits;
      const bytes = copies[copy + 2] & longestCopy;
      const from = part(pairs[2 * pair], copies[copy], bytes);
      const to = part(pairs[2 * pair + 1], copies[copy + 1], bytes);
      if (from === undefined || to === undefined) return false;
      to.set(from);
    }
    return true;
  };
  return {
    register(memory, buffer, byteOffset, byteLength) {
      known[memory] = new Uint8Array(holdable(buffer, byteOffset, byteLength), byteOffset, byteLength);
    },
    unregister(memory) {
      known[memory] = undefined;
    },
    submit(head) {
      for (; tail !== head; tail = (tail + 1) & numberMask) {
        const right = run(tail);
        failed[tail & (failed.length - 1)] = right ? 0 : 1;
        if (!right) failures = (failures + 1) | 0;
      }
    },
    done: () => tail,
    failures: () => failures,
    failed: (descriptor) => failed[descriptor & (failed.length - 1)] !== 0,
    drain() {},
    stop() {},
  };
}
