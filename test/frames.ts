// Frames between plain byte arrays and a burst of pool buffers, over as many buffers as they need.
import type { BufferPool, Burst } from '@vio/rings';

/**
 * Puts frames into buffers of the pool, into burst entries from 0 on.
 * @returns how many: fewer when the pool or the burst is used up
 */
export function writeFrames(pool: BufferPool, burst: Burst, frames: readonly Uint8Array[]): number {
  burst.count = 0;
  for (const frame of frames) {
    if (burst.count === burst.capacity) break;
    const needed = Math.ceil(frame.length / pool.dataRoom);
    const buffers = new Int32Array(needed);
    const got = pool.alloc(buffers, 0, needed);
    if (got < needed) {
      pool.release(buffers, 0, got);
      break;
    }
    buffers.forEach((buffer, i) => {
      const part = frame.subarray(i * pool.dataRoom, (i + 1) * pool.dataRoom);
      const offset = pool.dataBase + buffer * pool.stride;
      pool.region.u8.set(part, offset);
      pool.next[buffer] = buffers[i + 1] ?? -1;
      pool.dataOffset[buffer] = offset;
      pool.dataLength[buffer] = part.length;
    });
    const entry = burst.count++;
    burst.buffer[entry] = buffers[0];
    burst.offset[entry] = pool.dataOffset[buffers[0]];
    burst.length[entry] = frame.length;
    burst.segments[entry] = needed;
  }
  return burst.count;
}

/** Copies the packets of a burst out. */
export function readFrames(pool: BufferPool, burst: Burst): Uint8Array[] {
  return Array.from({ length: burst.count }, (_, i) => readFrameAt(pool, burst, i));
}

function readFrameAt(pool: BufferPool, burst: Burst, entry: number): Uint8Array {
  const { u8 } = pool.region;
  const length = burst.length[entry];
  if (burst.segments[entry] === 1) return u8.slice(burst.offset[entry], burst.offset[entry] + length);
  const frame = new Uint8Array(length);
  let at = 0;
  let buffer = burst.buffer[entry];
  for (let i = 0; i < burst.segments[entry]; i++) {
    const from = pool.dataOffset[buffer];
    frame.set(u8.subarray(from, from + pool.dataLength[buffer]), at);
    at += pool.dataLength[buffer];
    buffer = pool.next[buffer];
  }
  if (at !== length)
    throw new Error(`a packet of ${length} bytes has ${at} in its ${burst.segments[entry]} buffers`);
  return frame;
}
