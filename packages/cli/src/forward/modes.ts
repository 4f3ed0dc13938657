import type { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { Lane } from './lane.ts';
import { FrameTemplate } from './frame-template.ts';

/** What a mode did since it was made, in packets. */
export interface LaneCounts {
  received: number;
  sent: number;
  dropped: number;
}

/** Moves one burst through a lane; returns the packets moved, 0 when there was nothing to do. */
export type ForwardStep = (lane: Lane, burst: PacketBurst, counts: LaneCounts) => number;

export const forwardModes = ['io', 'macswap', 'rxonly', 'txonly', 'flowgen'] as const;
export type ForwardMode = (typeof forwardModes)[number];

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
  edit?.(lane.pool, burst);
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
  for (let i = 0; i < received; i++) {
    if (burst.segments[i] === 1) lane.pool.release(burst.buffer, i, 1);
    else lane.pool.releaseChain(burst.buffer[i]);
  }
  counts.received += received;
  return received;
}

/** Sends bursts of a template whose flow (source address and port) cycles through `flows` values. */
function generate(template: FrameTemplate, flows: number): ForwardStep {
  let flow = 0;
  return (lane, burst, counts) => {
    const { pool } = lane;
    const count = pool.alloc(burst.buffer, 0, burst.capacity);
    for (let i = 0; i < count; i++) {
      const offset = pool.dataBase + burst.buffer[i] * pool.stride;
      template.write(pool.region, offset, flow);
      burst.offset[i] = offset;
      burst.length[i] = template.bytes;
      burst.segments[i] = 1;
      flow = flow + 1 === flows ? 0 : flow + 1;
    }
    burst.count = count;
    const sent = lane.send(burst);
    counts.sent += sent;
    return sent;
  };
}

/** Generates, and empties the receive side as well. */
function exchange(generator: ForwardStep): ForwardStep {
  return (lane, burst, counts) => receiveOnly(lane, burst, counts) + generator(lane, burst, counts);
}
