import { keepsExternal, stayingBuffer } from './untransferable.ts';

/** A kind of array, as `Int32Array`. */
interface Kind<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): T;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): T;
}

/** Arrays lie side by side in buffers of so many bytes, those of a quarter and more alone. */
const shelfBytes = 65536;
const most = 2 ** 30;
/** No two are in one line of the cache. */
const alignment = 64;
let shelf: ArrayBuffer | undefined;
let used = 0;

/** An array of zeroes for C++ to work on: its buffer stays in this thread, and may have others in it. */
export function heldArray<T>(kind: Kind<T>, length: number): T {
  const bytes = length * kind.BYTES_PER_ELEMENT;
  // What is no length, or too much, is for the language to say.
  if (!keepsExternal || !Number.isInteger(length) || length < 1 || bytes > most) return new kind(length);
  if (bytes >= shelfBytes / 4) return new kind(stayingBuffer(bytes), 0, length);
  if (shelf === undefined || used + bytes > shelfBytes) {
    shelf = stayingBuffer(shelfBytes);
    used = 0;
  }
  const array = new kind(shelf, used, length);
  used += Math.ceil(bytes / alignment) * alignment;
  return array;
}
