import type { BufferPool } from '@vio/rings';

/** One buffer, on its way from a pool into a chain. */
const next = new Int32Array(1);

/** Begins a buffer of a packet of which so many bytes are left. @returns bytes this buffer will hold */
export function beginBuffer(pool: BufferPool, b: number, left: number): number {
  const bytes = left < pool.dataRoom ? left : pool.dataRoom;
  pool.dataOffset[b] = pool.dataBase + b * pool.stride;
  pool.dataLength[b] = bytes;
  return bytes;
}

/** Takes another buffer of the pool, which has one, behind `b`. @returns it */
export function appendBuffer(pool: BufferPool, b: number): number {
  pool.alloc(next, 0, 1);
  pool.next[b] = next[0];
  return next[0];
}
