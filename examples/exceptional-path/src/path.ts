// One poll loop over both ports.
import { type NetPort, PacketBurst, PacketCopier, macToBytes } from '@vio/net';

/** Frames. */
export interface Counts {
  toKernel: number;
  fromKernel: number;
  sentOn: number;
}

const burstSize = 32;
/** Rounds without a frame before the loop sleeps. */
const patientRounds = 1000;

/**
 * Frames that arrive at `outside` for its own address, or for everybody, go to the kernel; the rest is sent on by
 * `outside`. What the kernel sends leaves by `outside`.
 */
export async function exceptionalPath(
  outside: NetPort,
  kernel: NetPort,
  signal: AbortSignal,
): Promise<Counts> {
  const counts: Counts = { toKernel: 0, fromKernel: 0, sentOn: 0 };
  const isOurs = addressedTo(outside);
  const inward = new PacketCopier(outside.pool, kernel.pool);
  const outward = new PacketCopier(kernel.pool, outside.pool);
  const received = new PacketBurst(burstSize);
  const ours = new PacketBurst(burstSize);
  const others = new PacketBurst(burstSize);
  const copies = new PacketBurst(burstSize);

  function fromOutside(): number {
    const count = outside.rx[0].receive(received);
    if (count === 0) return 0;
    ours.count = 0;
    others.count = 0;
    for (let i = 0; i < count; i++) append(isOurs(received.offset[i]) ? ours : others, received, i);
    counts.sentOn += send(outside, others);
    counts.toKernel += pass(inward, ours, kernel);
    return count;
  }

  function fromKernel(): number {
    const count = kernel.rx[0].receive(received);
    if (count > 0) counts.fromKernel += pass(outward, received, outside);
    return count;
  }

  /** Copies frames to the other port's memory and sends them there. @returns how many */
  function pass(copier: PacketCopier, burst: PacketBurst, to: NetPort): number {
    copies.count = 0;
    copier.copy(burst, copies);
    burst.release();
    return send(to, copies);
  }

  for (let idle = 0; !signal.aborted;) {
    let moved = 0;
    for (let i = 0; i < 64; i++) moved += fromOutside() + fromKernel();
    idle = moved > 0 ? 0 : idle + 1;
    if (idle < patientRounds) await new Promise((resolve) => setImmediate(resolve));
    else await untilFrames([outside, kernel], signal);
  }
  return counts;
}

/** Sleeps until one of the ports has received something, its link changes, or the signal aborts. */
async function untilFrames(ports: readonly NetPort[], signal: AbortSignal): Promise<void> {
  const woken = new AbortController();
  const either = AbortSignal.any([signal, woken.signal]);
  const waits = ports.map((port) => port.untilPackets({ signal: either }).finally(() => woken.abort()));
  await Promise.all(waits);
}

/** Sends a burst on queue pair 0; what the ring has no room for is dropped. @returns frames sent */
function send(port: NetPort, burst: PacketBurst): number {
  const taken = port.tx[0].send(burst);
  burst.release(taken);
  return taken;
}

function append(to: PacketBurst, from: PacketBurst, i: number): void {
  const entry = to.count++;
  to.pool = from.pool;
  to.buffer[entry] = from.buffer[i];
  to.offset[entry] = from.offset[i];
  to.length[entry] = from.length[i];
  to.segments[entry] = from.segments[i];
}

/** Whether the frame at an offset goes to the port's own address, or to a group. */
function addressedTo(port: NetPort): (offset: number) => boolean {
  const { u8 } = port.region;
  const mac = macToBytes(port.mac);
  return (offset) => (u8[offset] & 1) !== 0 || mac.every((byte, i) => u8[offset + i] === byte);
}
