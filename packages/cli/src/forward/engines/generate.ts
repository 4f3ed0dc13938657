import type { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { ForwardStep } from '../engine.ts';
import type { FrameTemplate } from '../frame-template.ts';

/** Sends bursts of a template whose flow (UDP source port) cycles through `flows` values. */
export function generate(template: FrameTemplate, flows: number): ForwardStep {
  let flow = 0;
  return (lane, burst, counts) => {
    const { pool } = lane;
    const count = allocate(pool, burst, template);
    for (let i = 0; i < count; i++) {
      template.write(pool.region, burst.offset[i], flow);
      if (burst.segments[i] > 1) spreadHeaders(pool, burst, i, template.headerBytes);
      flow = flow + 1 === flows ? 0 : flow + 1;
    }
    const sent = count === 0 ? 0 : lane.send(burst);
    counts.sent += sent;
    return sent;
  };
}

/** Fills a burst with packets over as many buffers as they take, or as was asked for. @returns how many there were */
function allocate(pool: BufferPool, burst: PacketBurst, { bytes, segments: asked }: FrameTemplate): number {
  const lengths = pieces(asked, pool.dataRoom);
  if (lengths.length === 1) return burst.allocate(pool, burst.capacity, bytes);
  const segments = lengths.length;
  burst.pool = pool;
  burst.count = 0;
  while (burst.count < burst.capacity && pool.available(segments) >= segments) {
    const i = burst.count++;
    // From the last buffer to the first, so that each knows the one behind it.
    for (let k = segments - 1, next = -1; k >= 0; k--) {
      pool.alloc(burst.buffer, i, 1);
      const b = burst.buffer[i];
      pool.next[b] = next;
      pool.dataOffset[b] = pool.dataBase + b * pool.stride;
      pool.dataLength[b] = lengths[k];
      next = b;
    }
    burst.offset[i] = pool.dataOffset[burst.buffer[i]];
    burst.length[i] = bytes;
    burst.segments[i] = segments;
    burst.offloads?.clear(i);
    if (burst.vlan !== undefined) burst.vlan[i] = 0;
  }
  return burst.count;
}

/** The lengths asked for, where one does not fit a buffer, cut. */
function pieces(segments: readonly number[], room: number): readonly number[] {
  if (segments.every((bytes) => bytes <= room)) return segments;
  return segments.flatMap((bytes) =>
    Array.from({ length: Math.ceil(bytes / room) }, (_, k) => Math.min(room, bytes - k * room)),
  );
}

/** The headers were written as if the first buffer had them all: what does not belong there moves on to the next ones. */
function spreadHeaders(pool: BufferPool, burst: PacketBurst, i: number, headerBytes: number): void {
  const { u8 } = pool.region;
  const from = burst.offset[i];
  let b = burst.buffer[i];
  let done = pool.dataLength[b];
  while (done < headerBytes) {
    b = pool.next[b];
    if (b === -1) return;
    const part = Math.min(headerBytes - done, pool.dataLength[b]);
    u8.copyWithin(pool.dataOffset[b], from + done, from + done + part);
    done += part;
  }
}
