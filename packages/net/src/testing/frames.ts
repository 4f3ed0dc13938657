import type { BufferPool } from '@vio/rings';
import type { PacketBurst } from '../packet-burst.ts';

/**
 * Makes packets of frames: copies them into buffers of the pool, each over as many as it takes. What the burst held before is not
 * given back.
 * @returns how many, which is also `burst.count`: fewer when the pool or the burst is used up
 */
export function writeFrames(pool: BufferPool, burst: PacketBurst, frames: readonly Uint8Array[]): number {
  burst.pool = pool;
  burst.count = 0;
  for (const frame of frames) {
    if (burst.count === burst.capacity || !append(pool, burst, frame)) break;
  }
  return burst.count;
}

/** Copies of the packets of a burst; they stay in it. */
export function readFrames(burst: PacketBurst): Uint8Array[] {
  return Array.from({ length: burst.count }, (_, i) => readFrame(burst, i));
}

function append(pool: BufferPool, burst: PacketBurst, frame: Uint8Array): boolean {
  const segments = Math.max(1, Math.ceil(frame.length / pool.dataRoom));
  const buffers = new Int32Array(segments);
  const got = pool.alloc(buffers, 0, segments);
  if (got < segments) {
    pool.release(buffers, 0, got);
    return false;
  }
  for (const [k, b] of buffers.entries()) {
    const part = frame.subarray(k * pool.dataRoom, (k + 1) * pool.dataRoom);
    pool.dataOffset[b] = pool.dataBase + b * pool.stride;
    pool.dataLength[b] = part.length;
    pool.next[b] = k + 1 < segments ? buffers[k + 1] : -1;
    pool.region.u8.set(part, pool.dataOffset[b]);
  }
  const i = burst.count++;
  burst.buffer[i] = buffers[0];
  burst.offset[i] = pool.dataOffset[buffers[0]];
  burst.length[i] = frame.length;
  burst.segments[i] = segments;
  return true;
}

function readFrame(burst: PacketBurst, i: number): Uint8Array {
  const { pool } = burst;
  const bytes = burst.length[i];
  if (pool === undefined) throw new TypeError('the burst does not say in which pool its packets are');
  const { region, dataOffset, dataLength, next } = pool;
  if (burst.segments[i] === 1) return region.u8.slice(burst.offset[i], burst.offset[i] + bytes);
  const frame = new Uint8Array(bytes);
  let at = 0;
  let b = burst.buffer[i];
  for (let left = burst.segments[i]; left > 0; left--) {
    frame.set(region.u8.subarray(dataOffset[b], dataOffset[b] + dataLength[b]), at);
    at += dataLength[b];
    b = next[b];
  }
  if (at === bytes && b === -1) return frame;
  throw new RangeError(`packet ${i} of ${bytes} bytes is not that long in its ${burst.segments[i]} buffers`);
}
