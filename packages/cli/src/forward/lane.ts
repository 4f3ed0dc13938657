import type { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { VhostDevice } from '@vio/vhost';
import { type LaneCounts, noCounts } from './counts.ts';

/** What has passed through a lane so far. */
export interface LaneTraffic {
  /** Packets. */
  readonly received: number;
  readonly sent: number;
  /** Bytes of the frames, without CRC. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export const noTraffic: LaneTraffic = { received: 0, sent: 0, receivedBytes: 0, sentBytes: 0 };

/** MAC addresses of a way that packets take, six bytes each. */
export interface LaneAddresses {
  /** Of the port they leave by. */
  readonly own: Uint8Array;
  /** Of whoever is behind it. */
  readonly peer: Uint8Array;
}

/** Who makes the checksums of packets that leave: `hw`: the device does. */
export interface ChecksumWork {
  readonly udp: 'sw' | 'hw';
  readonly tcp: 'sw' | 'hw';
  /** Bytes of TCP data in a packet, beyond which the device cuts it; 0: it does not. */
  readonly segmentBytes: number;
}

/** One queue pair as a forwarding mode sees it, whichever side of the wire it is on. */
export interface Lane {
  /** Where packets to send are made. */
  readonly pool: BufferPool;
  /** Undefined: the lane has none. */
  readonly addresses?: LaneAddresses | undefined;
  /** Default: nothing is left to the device. */
  readonly checksums?: ChecksumWork | undefined;
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
  /** In the last step it waited for room: others have their turn. Default: it does not. */
  readonly waited?: boolean;
  /** What the mode did with its packets. */
  readonly counts: LaneCounts;
  /** The counters of its two queues. */
  traffic(): LaneTraffic;
}

/** The address that testpmd takes a peer to have, which nobody has told it of: that of its port's number. */
export function peerAddress(number: number): Uint8Array {
  return Uint8Array.of(0x02, 0, 0, 0, 0, number);
}

/** Queue pair `pair` of a backend device: what the driver transmits is received here, and the other way round. */
export function deviceLane(device: VhostDevice, pair: number, pool: BufferPool): MeteredLane {
  return {
    name: `device ${device.vid} q${pair}`,
    bursts: 0,
    counts: noCounts(),
    pool,
    // That of DPDK's vhost ports.
    addresses: { own: Uint8Array.of(0x56, 0x48, 0x4f, 0x53, 0x54, device.vid), peer: peerAddress(0) },
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
export function burstCounters(lanes: readonly Pick<MeteredLane, 'bursts'>[]): Record<string, number> {
  return Object.fromEntries(lanes.map(({ bursts }, pair) => [`rx_q${pair}_bursts`, bursts]));
}
