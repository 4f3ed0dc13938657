import { addon } from '../addon.ts';
import { attempt } from '../system-error.ts';
import { keepInThread } from '../untransferable.ts';
import { copyOpWords, holdable } from './copy.ts';
import { copyThreadControl, copyThreadControlWords } from './layouts.ts';

const TAIL = copyThreadControl.tail;
const FAILURES = copyThreadControl.failures;

/** Numbers of descriptors and copies run freely, and begin anew behind this one: they stay small integers. */
export const numberMask = 0x3fff_ffff;

/** The rings that describe copies. Descriptors and copies are numbered modulo 2^30; the entry of one is its number modulo the ring's size. */
export interface CopyRings {
  /** Two int32 for each of a power of two of descriptors: number of the first copy, how many. */
  readonly descriptors: Int32Array;
  /** `copyOpWords` int32 for each of a power of two of copies: source memory and offset, destination memory and offset, bytes. */
  readonly copies: Int32Array;
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
export function nativeCopyQueue({ descriptors, copies }: CopyRings, spin: number): CopyQueue {
  const control = new Int32Array(copyThreadControlWords);
  const failed = new Int32Array(descriptors.length / 2);
  for (const { buffer } of [control, failed, descriptors, copies]) keepInThread(buffer);
  const arrays = { control, descriptors, copies, failed };
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
export function twinCopyQueue({ descriptors, copies }: CopyRings): CopyQueue {
  const known: (Uint8Array | undefined)[] = [];
  const failed = new Uint8Array(descriptors.length / 2);
  const copyMask = copies.length / copyOpWords - 1;
  let tail = 0;
  let failures = 0;
  const part = (memory: number, offset: number, bytes: number): Uint8Array | undefined => {
    const all = known[memory];
    return all !== undefined && offset >= 0 && bytes >= 0 && offset + bytes <= all.length
      ? all.subarray(offset, offset + bytes)
      : undefined;
  };
  const run = (descriptor: number): boolean => {
    const at = 2 * (descriptor & (failed.length - 1));
    for (let i = 0; i < descriptors[at + 1]; i++) {
      const copy = ((descriptors[at] + i) & copyMask) * copyOpWords;
      const bytes = copies[copy + 4];
      const from = part(copies[copy], copies[copy + 1], bytes);
      const to = part(copies[copy + 2], copies[copy + 3], bytes);
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
