import { addon } from '../addon.ts';
import { VioError } from '../error.ts';
import { isMapping } from '../memory/area.ts';
import { keepInThread } from '../untransferable.ts';
import type { ChainsKernel, KernelWindows } from './chains-kernel.ts';
import { chainsJobWords, notesJobWords, singlesJobWords } from './layouts.ts';
import type { NotedRings, NotesKernel } from './notes-kernel.ts';
import type { SinglesKernel } from './singles-kernel.ts';

/** int32 numbers per copy: source handle, source offset, destination handle, destination offset, bytes. */
export const copyOpWords = 5;

/** Runs all the copies of a burst in one call, between any of the mappings registered with it. */
export interface CopyEngine {
  /** Where the caller writes the copies: `copyOpWords` int32 each. */
  readonly ops: Int32Array;
  /**
   * Makes a buffer, or a part of it, known, and the buffer untransferable: the engine holds on to its memory. Offsets of
   * copies count from where the part begins, and none goes beyond it.
   * @param byteOffset where the part begins; default 0
   * @param byteLength how long it is; default: up to the end of the buffer
   * @returns its handle in ops
   * @throws VioError VIO_MEMORY_RANGE for a buffer without bytes, and for a part that it does not have
   */
  register(buffer: ArrayBuffer, byteOffset?: number, byteLength?: number): number;
  /** Forgets a buffer: copies that name its handle are refused from now on. */
  unregister(handle: number): void;
  /**
   * Runs the first `count` copies, in order. Every one is checked against the bounds of its buffers. Where source and
   * destination overlap, a copy behaves as if it went through a buffer in between.
   * @returns `count`, or the index of the first copy that was refused (it and the rest did not happen)
   */
  run(count: number): number;
  /**
   * @param counters where it counts the packets that it moves, by `queueCounter`; undefined: nowhere
   * @returns a kernel that moves whole bursts between rings and buffers registered here; undefined: there is none
   */
  singles(counters?: Float64Array): SinglesKernel | undefined;
  /** @returns one that notes copies of whole bursts for others, in these rings; undefined: there is none */
  notes(rings: NotedRings): NotesKernel | undefined;
  /** @returns one for chains of any kind, over these windows of a driver's memory; undefined: there is none */
  chains(windows: KernelWindows): ChainsKernel | undefined;
}

/** The engine in C++: memmove with prefetch. @param capacity copies per run */
export function nativeCopyEngine(capacity = 1024): CopyEngine {
  const ops = new Int32Array(capacity * copyOpWords);
  keepInThread(ops.buffer);
  const native = addon.createCopyEngine(ops);
  return {
    ops,
    run: (count) => native.run(count),
    register(buffer, byteOffset = 0, byteLength = buffer.byteLength - byteOffset) {
      return native.register(holdable(buffer, byteOffset, byteLength), byteOffset, byteLength);
    },
    unregister: (handle) => native.unregister(handle),
    singles(counters) {
      const job = new Int32Array(singlesJobWords);
      keepInThread(job.buffer);
      if (counters !== undefined) keepInThread(counters.buffer);
      return { job, run: native.singles(job, counters) };
    },
    notes({ descriptors, copies }) {
      const job = new Int32Array(notesJobWords);
      for (const { buffer } of [job, descriptors, copies]) keepInThread(buffer);
      const { run, bind, unbind } = native.notes({ job, descriptors, copies });
      return {
        job,
        run,
        bind(kept) {
          const { id, offset, length, written } = kept;
          for (const { buffer } of [id, offset, length, written]) keepInThread(buffer);
          return bind({ id, offset, length, written });
        },
        unbind,
      };
    },
    chains({ guestBase, size, handles }) {
      const job = new Int32Array(chainsJobWords);
      for (const { buffer } of [job, guestBase, size, handles]) keepInThread(buffer);
      return { job, run: native.chains({ job, guestBase, size, handles }) };
    },
  };
}

/** @returns the buffer, untransferable from now on @throws VioError VIO_MEMORY_RANGE when it has no such part */
export function holdable(buffer: ArrayBuffer, byteOffset: number, byteLength: number): ArrayBuffer {
  if (buffer.byteLength === 0) {
    throw new VioError('a buffer without bytes has nothing to copy', {
      code: 'VIO_MEMORY_RANGE',
      remedy: 'register a buffer that is not empty and was not transferred elsewhere',
    });
  }
  const whole = Number.isSafeInteger(byteOffset) && Number.isSafeInteger(byteLength);
  if (!whole || byteOffset < 0 || byteLength < 0 || byteOffset + byteLength > buffer.byteLength) {
    throw new VioError(`${byteLength} bytes at ${byteOffset} are not in a buffer of ${buffer.byteLength}`, {
      code: 'VIO_MEMORY_RANGE',
      remedy: 'register a part that the buffer has',
    });
  }
  // A mapping is untransferable already. To mark one of Node's once more would lock it against Node itself, which detaches
  // it at the end of a worker thread, and aborts the process when it cannot (seen on Node 24 and 26).
  if (!isMapping(buffer)) keepInThread(buffer);
  return buffer;
}

/** The same in TypeScript. */
export function twinCopyEngine(capacity = 1024): CopyEngine {
  const ops = new Int32Array(capacity * copyOpWords);
  const buffers: (Uint8Array | undefined)[] = [];
  const inside = (handle: number, offset: number, bytes: number): Uint8Array | undefined => {
    const buffer = buffers[handle];
    return buffer !== undefined && offset >= 0 && bytes >= 0 && offset + bytes <= buffer.length
      ? buffer
      : undefined;
  };
  return {
    ops,
    register(buffer, byteOffset = 0, byteLength = buffer.byteLength - byteOffset) {
      const free = buffers.indexOf(undefined);
      const handle = free === -1 ? buffers.length : free;
      buffers[handle] = new Uint8Array(holdable(buffer, byteOffset, byteLength), byteOffset, byteLength);
      return handle;
    },
    unregister(handle) {
      if (handle < buffers.length) buffers[handle] = undefined;
    },
    run(count) {
      const n = Math.min(count, capacity);
      for (let i = 0; i < n; i++) {
        const at = i * copyOpWords;
        const bytes = ops[at + 4];
        const from = inside(ops[at], ops[at + 1], bytes);
        const to = inside(ops[at + 2], ops[at + 3], bytes);
        if (from === undefined || to === undefined) return i;
        to.set(from.subarray(ops[at + 1], ops[at + 1] + bytes), ops[at + 3]);
      }
      return n;
    },
    singles: () => undefined,
    chains: () => undefined,
    notes: () => undefined,
  };
}
