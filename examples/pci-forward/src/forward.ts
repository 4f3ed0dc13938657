// One poll loop over two ports.
import { type NetPort, PacketCopier } from '@vio/net';

/** Moves what waits on one port to the other. @returns frames moved */
type Way = () => number;

/**
 * Forwards between two ports until the signal, or until one of them is gone.
 * @returns frames forwarded, from the first port and from the second
 */
export async function forward(a: NetPort, b: NetPort, signal: AbortSignal): Promise<[number, number]> {
  const there = way(a, b);
  const back = way(b, a);
  const forwarded: [number, number] = [0, 0];
  while (!signal.aborted && !a.gone && !b.gone) {
    let moved = 0;
    for (let i = 0; i < 64; i++) {
      const fromA = there();
      const fromB = back();
      forwarded[0] += fromA;
      forwarded[1] += fromB;
      moved += fromA + fromB;
    }
    // A loop that has nothing to do leaves the CPU to others for a moment.
    await new Promise((resolve) => (moved > 0 ? setImmediate(resolve) : setTimeout(resolve, 1)));
  }
  return forwarded;
}

/** Each port has memory of its own that only its device sees, so frames are copied. */
function way(from: NetPort, to: NetPort): Way {
  const copier = new PacketCopier(from.pool, to.pool);
  const received = from.burst();
  const copies = to.burst();
  return () => {
    if (from.rx[0].receive(received) === 0) return 0;
    copies.count = 0;
    copier.copy(received, copies);
    received.release();
    const sent = to.tx[0].send(copies);
    // What the ring has no room for is dropped.
    copies.release(sent);
    return sent;
  };
}
