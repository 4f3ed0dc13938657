import type { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { LaneCounts } from './counts.ts';
import type { Lane } from './lane.ts';

/** Moves one burst through a lane; returns the packets moved, 0 when there was nothing to do. */
export type ForwardStep = (lane: Lane, burst: PacketBurst, counts: LaneCounts) => number;

/**
 * What a mode does with the packets of a burst before they go out, where they lie. One that keeps packets back gives them to
 * their pool, and leaves the rest at the burst's beginning.
 */
export type Edit = (lane: Lane, pool: BufferPool, burst: PacketBurst) => void;

/** Receives a burst, edits it and sends it on. */
export function forwarding(edit?: Edit): ForwardStep {
  return (lane, burst, counts) => {
    const received = lane.receive(burst);
    if (received === 0) return 0;
    edit?.(lane, burst.pool ?? lane.pool, burst);
    const left = burst.count;
    const sent = left === 0 ? 0 : lane.send(burst);
    counts.received += received;
    counts.sent += sent;
    counts.dropped += left - sent;
    return received;
  };
}

/** Bytes of packet `i` that follow each other in its first buffer. */
export function firstBytes(pool: BufferPool, burst: PacketBurst, i: number): number {
  return burst.segments[i] === 1 ? burst.length[i] : pool.dataLength[burst.buffer[i]];
}
