// The poll loop, as DPDK's l3fwd-power has it: some receive queues; after some polls that found nothing in any of them their interrupts
// are armed.
import { type NetPort, type PacketBurst, PacketCopier, PacketFlow } from '@vio/net';

/** Empty polls before the loop sleeps. */
const patience = 1000;
/** Polls between two turns of the event loop. */
const pollsPerTurn = 500;

/** From one port's queue to another's (or the same port's) queue of that number. */
export interface Way {
  readonly from: NetPort;
  readonly to: NetPort;
  readonly queue: number;
}

export interface LoopCounts {
  frames: number;
  /** Looks at a receive queue. */
  polls: number;
  /** By what --parse-ptype told. */
  readonly types: { ipv4: number; ipv6: number; other: number };
  sleeps: number;
  asleep: boolean;
}

export function newCounts(): LoopCounts {
  return { frames: 0, polls: 0, types: { ipv4: 0, ipv6: 0, other: 0 }, sleeps: 0, asleep: false };
}

/** A way, and what it takes to go it. */
interface Hop extends Way {
  readonly burst: PacketBurst;
  /** Undefined: both ends have the same memory. */
  readonly across: { readonly copier: PacketCopier; readonly copies: PacketBurst } | undefined;
}

export async function runLoop(
  ways: readonly Way[],
  parseTypes: boolean,
  counts: LoopCounts,
  signal: AbortSignal,
): Promise<void> {
  const hops = ways.map(hopOf);
  const flow = new PacketFlow();
  let empty = 0;
  while (!signal.aborted) {
    counts.polls += pollsPerTurn * hops.length;
    for (let i = 0; i < pollsPerTurn; i++) {
      let moved = 0;
      for (const hop of hops) {
        const { from, queue, burst } = hop;
        const received = from.rx[queue].receive(burst);
        if (received === 0) continue;
        if (parseTypes) countTypes(flow, burst, counts);
        counts.frames += send(hop);
        moved += received;
      }
      empty = moved > 0 ? 0 : empty + 1;
    }
    if (empty < patience) {
      await new Promise((resolve) => setImmediate(resolve));
    } else {
      // Nothing came for a while: the next frame of any queue will wake us.
      for (const { to, queue } of hops) to.tx[queue].reap();
      counts.sleeps++;
      counts.asleep = true;
      await untilPackets(ways, signal);
      counts.asleep = false;
      empty = 0;
    }
  }
}

function hopOf(way: Way): Hop {
  const across =
    way.from === way.to
      ? undefined
      : { copier: new PacketCopier(way.from.pool, way.to.pool), copies: way.to.burst(32) };
  return { ...way, burst: way.from.burst(32), across };
}

function send({ to, queue, burst, across }: Hop): number {
  const tx = to.tx[queue];
  if (across === undefined) {
    const sent = tx.send(burst);
    burst.release(sent);
    return sent;
  }
  const { copier, copies } = across;
  copies.count = 0;
  // Frames that are sent give their buffers back when somebody is short of them.
  to.pool.available(burst.count);
  copier.copy(burst, copies);
  burst.release();
  const sent = copies.count === 0 ? 0 : tx.send(copies);
  if (copies.count > 0) copies.release(sent);
  return sent;
}

function countTypes(flow: PacketFlow, burst: PacketBurst, { types }: LoopCounts): void {
  const { pool, offset, length, segments, buffer } = burst;
  if (pool === undefined) return;
  for (let i = 0; i < burst.count; i++) {
    const bytes = segments[i] === 1 ? length[i] : pool.dataLength[buffer[i]];
    flow.read(pool.region.u8, offset[i], bytes);
    if (flow.version === 4) types.ipv4++;
    else if (flow.version === 6) types.ipv6++;
    else types.other++;
  }
}

/** Sleeps until one of the queues has something, whichever port it belongs to. */
async function untilPackets(ways: readonly Way[], signal: AbortSignal): Promise<void> {
  const awake = new AbortController();
  const either = AbortSignal.any([signal, awake.signal]);
  const ports = new Set(ways.map(({ from }) => from));
  const sleeping = Array.from(ports, (port) => {
    const queues = ways.filter(({ from }) => from === port).map(({ queue }) => queue);
    return port.untilPackets({ queues, signal: either });
  });
  await Promise.race(sleeping);
  awake.abort();
  await Promise.all(sleeping);
}
