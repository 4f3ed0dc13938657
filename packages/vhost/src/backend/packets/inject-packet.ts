import type { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import { appendBuffer, beginBuffer } from './buffer-chain.ts';

/**
 * A burst of one packet that this side has made, in as many buffers of the pool as it takes.
 * @returns false: there are no buffers right now, and the burst is empty
 */
export function injectPacket(pool: BufferPool, burst: PacketBurst, frame: Uint8Array): boolean {
  burst.count = 0;
  burst.pool = pool;
  const pieces = Math.ceil(frame.length / pool.dataRoom);
  if (pool.available(pieces) < pieces) return false;
  pool.alloc(burst.buffer, 0, 1);
  let [b] = burst.buffer;
  let room = beginBuffer(pool, b, frame.length);
  for (let at = 0; ; room = beginBuffer(pool, b, frame.length - at)) {
    pool.region.u8.set(frame.subarray(at, at + room), pool.dataOffset[b]);
    at += room;
    if (at === frame.length) break;
    b = appendBuffer(pool, b);
  }
  burst.segments[0] = pieces;
  burst.offset[0] = pool.dataOffset[burst.buffer[0]];
  burst.length[0] = frame.length;
  burst.count = 1;
  return true;
}
