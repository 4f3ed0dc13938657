import type { NetPort, PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { VhostDevice } from '@vio/vhost';

/** One queue pair as a forwarding mode sees it, whichever side of the wire it is on. */
export interface Lane {
  readonly pool: BufferPool;
  /** Fills the burst with received packets; they belong to the caller. Returns how many. */
  receive(burst: PacketBurst): number;
  /** Sends the first `burst.count` packets and takes all of them; returns how many went out, the rest is dropped. */
  send(burst: PacketBurst): number;
}

/** Queue pair `pair` of a port. */
export function portLane(port: Pick<NetPort, 'rx' | 'tx'>, pair: number): Lane {
  const rx = port.rx[pair];
  const tx = port.tx[pair];
  if (rx === undefined || tx === undefined) throw new RangeError(`the port has no queue pair ${pair}`);
  const pool = rx.pool;
  return {
    pool,
    receive: (burst) => rx.receive(burst),
    send(burst) {
      const sent = tx.send(burst, 0);
      burst.release(pool, sent);
      return sent;
    },
  };
}

/** Queue pair `pair` of a backend device: what the driver transmits is received here, and the other way round. */
export function deviceLane(device: VhostDevice, pair: number, pool: BufferPool): Lane {
  return {
    pool,
    receive: (burst) => device.dequeueBurst(2 * pair + 1, pool, burst, burst.capacity),
    send(burst) {
      const sent = device.enqueueBurst(2 * pair, burst, 0, burst.count);
      burst.release(pool);
      return sent;
    },
  };
}
