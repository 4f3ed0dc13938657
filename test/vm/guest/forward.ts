// Forwards every frame between two ports, until the signal: what comes in on one goes out on the other.
import { type NetPort, PacketBurst } from '@vio/net';

export async function forward(a: NetPort, b: NetPort, signal: AbortSignal): Promise<void> {
  const burst = new PacketBurst(32);
  while (!signal.aborted) {
    const moved = copy(a, b, burst) + copy(b, a, burst);
    await new Promise((resolve) => (moved > 0 ? setImmediate(resolve) : setTimeout(resolve, 1)));
  }
}

/** Two ports have two pools, so frames are copied from one to the other. @returns frames */
function copy(from: NetPort, to: NetPort, burst: PacketBurst): number {
  let moved = 0;
  for (const [queue, rx] of from.rx.entries()) {
    const count = rx.receive(burst);
    if (count === 0) continue;
    moved += count;
    transfer(burst, from, to, queue % to.tx.length);
  }
  return moved;
}

const out = new PacketBurst(32);

function transfer(burst: PacketBurst, from: NetPort, to: NetPort, queue: number): void {
  const source = from.pool;
  const target = to.pool;
  out.allocate(target, burst.count, 1);
  for (let i = 0; i < out.count; i++) {
    // Only frames of one buffer travel here: the MTU is 1500.
    const { u8 } = source.region;
    target.region.u8.set(u8.subarray(burst.offset[i], burst.offset[i] + burst.length[i]), out.offset[i]);
    out.length[i] = burst.length[i];
  }
  burst.release(source);
  out.release(target, to.tx[queue].send(out));
}
