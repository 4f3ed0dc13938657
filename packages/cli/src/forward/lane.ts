import type { NetPort, PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { VhostDevice } from '@vio/vhost';

/** What has passed through a lane so far. */
export interface LaneTraffic {
  /** Packets. */
  readonly received: number;
  readonly sent: number;
  /** Bytes of the frames, without CRC. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** One queue pair as a forwarding mode sees it, whichever side of the wire it is on. */
export interface Lane {
  readonly pool: BufferPool;
  /** Fills the burst with received packets; they belong to the caller. Returns how many. */
  receive(burst: PacketBurst): number;
  /** Sends the first `burst.count` packets and takes all of them; returns how many went out, the rest is dropped. */
  send(burst: PacketBurst): number;
}

/** A lane that says what it is called and what has passed. */
export interface MeteredLane extends Lane {
  /** As in `q0`, or `device 2 q0`. */
  readonly name: string;
  /** Steps that moved packets. */
  bursts: number;
  /** The counters of its two queues. */
  traffic(): LaneTraffic;
}

/** Queue pair `pair` of a port. */
export function portLane(port: Pick<NetPort, 'rx' | 'tx'>, pair: number): MeteredLane {
  const rx = port.rx[pair];
  const tx = port.tx[pair];
  if (rx === undefined || tx === undefined) throw new RangeError(`the port has no queue pair ${pair}`);
  const pool = rx.pool;
  return {
    name: `q${pair}`,
    bursts: 0,
    pool,
    receive: (burst) => rx.receive(burst),
    send(burst) {
      const sent = tx.send(burst, 0);
      burst.release(sent);
      return sent;
    },
    traffic: () => ({
      received: rx.stats.get('good_packets'),
      sent: tx.stats.get('good_packets'),
      receivedBytes: rx.stats.get('good_bytes'),
      sentBytes: tx.stats.get('good_bytes'),
    }),
  };
}

/** Queue pair `pair` of a backend device: what the driver transmits is received here, and the other way round. */
export function deviceLane(device: VhostDevice, pair: number, pool: BufferPool): MeteredLane {
  return {
    name: `device ${device.vid} q${pair}`,
    bursts: 0,
    pool,
    receive: (burst) => device.dequeueBurst(2 * pair + 1, pool, burst, burst.capacity),
    send(burst) {
      const sent = device.enqueueBurst(2 * pair, burst, 0, burst.count);
      // With large buffers of their own, packets may be in another pool.
      burst.release();
      return sent;
    },
    traffic() {
      const stats = device.stats();
      const count = (name: string): number => stats[name] ?? 0;
      return {
        received: count(`rx_q${pair}_good_packets`),
        sent: count(`tx_q${pair}_good_packets`),
        receivedBytes: count(`rx_q${pair}_good_bytes`),
        sentBytes: count(`tx_q${pair}_good_bytes`),
      };
    },
  };
}

/** How often each lane moved packets, as counters of its receive queue. */
export function burstCounters(lanes: readonly MeteredLane[]): Record<string, number> {
  return Object.fromEntries(lanes.map(({ bursts }, pair) => [`rx_q${pair}_bursts`, bursts]));
}
