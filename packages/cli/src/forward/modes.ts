import type { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { Lane } from './lane.ts';
import type { ForwardMode } from './mode-names.ts';
import { FrameTemplate } from './frame-template.ts';

/** What a mode did since it was made, in packets. */
export interface LaneCounts {
  received: number;
  sent: number;
  dropped: number;
}

/** Moves one burst through a lane; returns the packets moved, 0 when there was nothing to do. */
export type ForwardStep = (lane: Lane, burst: PacketBurst, counts: LaneCounts) => number;

/** True for a mode that does nothing until it receives something. */
export function waitsForPackets(mode: ForwardMode): boolean {
  return mode !== 'txonly' && mode !== 'flowgen';
}

/** The step function of a mode, named and meant as in DPDK's testpmd. `frameBytes`: for txonly and flowgen. */
export function forwardStep(mode: ForwardMode, frameBytes: number): ForwardStep {
  switch (mode) {
    case 'io':
      return forward;
    case 'macswap':
      return (lane, burst, counts) => forward(lane, burst, counts, swapAddresses);
    case 'rxonly':
      return receiveOnly;
    case 'txonly':
      return generate(new FrameTemplate(frameBytes), 1);
    case 'flowgen':
      return exchange(generate(new FrameTemplate(frameBytes), 1024));
  }
}

function forward(
  lane: Lane,
  burst: PacketBurst,
  counts: LaneCounts,
  edit?: (pool: BufferPool, burst: PacketBurst) => void,
): number {
  const received = lane.receive(burst);
  if (received === 0) return 0;
  edit?.(burst.pool ?? lane.pool, burst);
  const sent = lane.send(burst);
  counts.received += received;
  counts.sent += sent;
  counts.dropped += received - sent;
  return received;
}

/** Exchanges destination and source MAC of every packet of the burst. */
export function swapAddresses(pool: BufferPool, burst: PacketBurst): void {
  const u16 = pool.region.u16;
  for (let i = 0; i < burst.count; i++) {
    // Data starts behind an even headroom, so a MAC is three 16-bit words.
    const at = burst.offset[i] >>> 1;
    for (let word = at; word < at + 3; word++) {
      const destination = u16[word];
      u16[word] = u16[word + 3];
      u16[word + 3] = destination;
    }
  }
}

function receiveOnly(lane: Lane, burst: PacketBurst, counts: LaneCounts): number {
  const received = lane.receive(burst);
  burst.release();
  counts.received += received;
  return received;
}

/** Sends bursts of a template whose flow (UDP source port) cycles through `flows` values. */
function generate(template: FrameTemplate, flows: number): ForwardStep {
  let flow = 0;
  return (lane, burst, counts) => {
    const { pool } = lane;
    const count = allocate(pool, burst, template.bytes);
    for (let i = 0; i < count; i++) {
      template.write(pool.region, burst.offset[i], flow);
      flow = flow + 1 === flows ? 0 : flow + 1;
    }
    const sent = count === 0 ? 0 : lane.send(burst);
    counts.sent += sent;
    return sent;
  };
}

/** Fills a burst with packets of `bytes` each, over as many buffers as they take. @returns how many there were */
function allocate(pool: BufferPool, burst: PacketBurst, bytes: number): number {
  if (bytes <= pool.dataRoom) return burst.allocate(pool, burst.capacity, bytes);
  const segments = Math.ceil(bytes / pool.dataRoom);
  burst.pool = pool;
  burst.count = 0;
  while (burst.count < burst.capacity && pool.free >= segments) {
    const i = burst.count++;
    // From the last buffer to the first, so that each knows the one behind it.
    for (let k = segments - 1, next = -1; k >= 0; k--) {
      pool.alloc(burst.buffer, i, 1);
      const b = burst.buffer[i];
      pool.next[b] = next;
      pool.dataOffset[b] = pool.dataBase + b * pool.stride;
      pool.dataLength[b] = k === segments - 1 ? bytes - k * pool.dataRoom : pool.dataRoom;
      next = b;
    }
    burst.offset[i] = pool.dataOffset[burst.buffer[i]];
    burst.length[i] = bytes;
    burst.segments[i] = segments;
  }
  return burst.count;
}

/** Generates, and empties the receive side as well. */
function exchange(generator: ForwardStep): ForwardStep {
  return (lane, burst, counts) => receiveOnly(lane, burst, counts) + generator(lane, burst, counts);
}
