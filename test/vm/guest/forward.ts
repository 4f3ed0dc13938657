// Forwards every frame between two ports, until the signal: what comes in on one goes out on the other.
import { type NetPort, PacketCopier } from '@vio/net';

export async function forward(a: NetPort, b: NetPort, signal: AbortSignal): Promise<void> {
  const ways = [way(a, b), way(b, a)];
  while (!signal.aborted) {
    let moved = 0;
    for (const move of ways) moved += move();
    await new Promise((resolve) => (moved > 0 ? setImmediate(resolve) : setTimeout(resolve, 1)));
  }
}

/** @returns moves what is waiting, and says how many frames that were */
function way(from: NetPort, to: NetPort): () => number {
  const copier = new PacketCopier(from.pool, to.pool);
  const burst = from.burst();
  const copies = to.burst();
  return () => {
    let moved = 0;
    for (const [queue, rx] of from.rx.entries()) {
      moved += rx.receive(burst);
      copies.count = 0;
      copier.copy(burst, copies);
      burst.release();
      copies.release(to.tx[queue].send(copies));
    }
    return moved;
  };
}
