import { addon } from './addon.ts';

/** Since this version Node keeps a buffer by a lock as well, and has told its callers so where one is to go. */
const locksItself = Number.parseInt(process.versions.node, 10) >= 24;

/**
 * Node has no locks, and has to load everything about threads to be asked to keep a buffer, which is a twelfth of what a program takes
 * that opens a port. External buffers of its own it keeps by itself. (Of other runtimes nobody knows.)
 */
export const keepsExternal = !locksItself && addon.uncountedBuffers;

/** Buffers that stay here without being kept. */
const staying = new WeakSet<ArrayBufferLike>();

/**
 * Keeps a buffer in this thread, since C++ works on its memory: it cannot be transferred. One of `SharedMemory` or `MappedFile` is so
 * already, and must not be given here.
 */
export function keepInThread(buffer: ArrayBufferLike): void {
  if (staying.has(buffer)) return;
  // Node loads everything about threads to be asked, and a stream of each kind with it.
  if (locksItself && addon.lockBuffer(buffer)) return;
  process.getBuiltinModule('node:worker_threads').markAsUntransferable(buffer);
}

/** Nor may its memory move to another buffer, which would have it longer than it is there; Node 22 has no other way. */
export function refuseTransfer(buffer: ArrayBuffer): void {
  Object.defineProperties(buffer, { transfer: refusal, transferToFixedLength: refusal });
}

const refusal = {
  value: () => {
    throw new TypeError('a buffer of shared memory is not detachable');
  },
};

/** A buffer of zeroes that stays here. */
export function stayingBuffer(bytes: number): ArrayBuffer {
  const buffer = addon.zeroedBuffer(bytes);
  refuseTransfer(buffer);
  staying.add(buffer);
  return buffer;
}
