import { addon } from './addon.ts';

/** Since this version Node keeps a buffer by a lock as well, and has told its callers so where one is to go. */
const locksItself = Number.parseInt(process.versions.node, 10) >= 24;

/**
 * Keeps a buffer in this thread, since C++ works on its memory: it cannot be transferred. One of `SharedMemory` or `MappedFile` is so
 * already, and must not be given here.
 */
export function keepInThread(buffer: ArrayBufferLike): void {
  // Node loads everything about threads to be asked, and a stream of each kind with it.
  if (locksItself && addon.lockBuffer(buffer)) return;
  process.getBuiltinModule('node:worker_threads').markAsUntransferable(buffer);
}
