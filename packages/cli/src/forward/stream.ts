import {
  PacketBurst,
  PacketCopier,
  type RxQueue,
  type TxQueue,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_HOST_TSO4,
  completePacket,
} from '@vio/net';
import { hasRxOffloads } from '@vio/net/internal';
import { noCounts } from './counts.ts';
import type { ChecksumWork, LaneAddresses, MeteredLane } from './lane.ts';
import { type SendRetry, sendAgain } from './send-again.ts';

/** A queue pair at one end of a stream. */
export interface StreamEnd {
  /** Number of the port. */
  readonly port: number;
  /** Number of the queue pair in it. */
  readonly queue: number;
  readonly rx: RxQueue;
  readonly tx: TxQueue;
  /** Negotiated device features of the port. */
  readonly features: bigint;
}

/** What a stream is made of. */
export interface StreamParts {
  /** As in `q0`, or `P0 q1`. */
  readonly name: string;
  readonly from: StreamEnd;
  readonly to: StreamEnd;
  readonly addresses: LaneAddresses;
  readonly checksums?: ChecksumWork | undefined;
  /** False: its bursts are those of no other port. Default true. */
  readonly shared?: boolean;
  /** VLAN that packets are put into as they leave, as `burst.vlan` has it; 0, the default: none. */
  readonly tag?: number | undefined;
  /** Packets for which a ring has no room are offered again. Default: they are dropped. */
  readonly retry?: SendRetry | undefined;
}

/** Packets on a ring's way into another port's memory at most. */
const mostPackets = 512;

/** Packets that come in by one port's queue and leave by another's (or the same): what testpmd calls a stream. */
export class Stream implements MeteredLane {
  readonly name: string;
  readonly from: StreamEnd;
  readonly to: StreamEnd;
  readonly addresses: LaneAddresses;
  readonly checksums: ChecksumWork | undefined;
  readonly pool;
  readonly counts = noCounts();
  bursts = 0;
  waited = false;
  /** Undefined: both ends have the same memory. */
  readonly #copier: PacketCopier | undefined;
  readonly #copies: PacketBurst | undefined;
  /** The device completes checksums; else that is done here. */
  readonly #sums: boolean;
  /** What was put together comes, and cannot go. */
  readonly #tooLarge: boolean;
  readonly #prepares: boolean;
  /** What a burst's packets have besides their bytes may be another port's, or made here. */
  readonly #cleans: boolean;
  /** Headers of received packets say something. */
  readonly #says: boolean;
  readonly #tag: number;
  readonly #retry: SendRetry | undefined;

  constructor({ name, from, to, addresses, checksums, shared = true, tag = 0, retry }: StreamParts) {
    this.#tag = tag;
    this.#retry = retry;
    this.name = name;
    this.from = from;
    this.to = to;
    this.addresses = addresses;
    this.checksums = checksums;
    this.pool = to.tx.pool;
    const has = (features: bigint, bit: bigint): boolean => (features & bit) !== 0n;
    this.#sums = has(to.features, VIRTIO_NET_F_CSUM);
    this.#tooLarge = has(from.features, VIRTIO_NET_F_GUEST_TSO4) && !has(to.features, VIRTIO_NET_F_HOST_TSO4);
    this.#says = hasRxOffloads(from.features);
    this.#prepares = this.#sums && (checksums?.tcp === 'hw' || checksums?.udp === 'hw');
    this.#cleans = shared || this.#prepares;
    if (from.rx.pool === this.pool) return;
    this.#copier = new PacketCopier(from.rx.pool, this.pool);
    this.#copies = new PacketBurst(mostPackets, { offloads: true, vlan: true });
  }

  receive(burst: PacketBurst): number {
    if (!this.#cleans) return this.from.rx.receive(burst);
    burst.vlan?.fill(0);
    const received = this.from.rx.receive(burst);
    const { offloads } = burst;
    if (received === 0 || this.#says || offloads === undefined) return received;
    offloads.flags.fill(0, 0, received);
    offloads.gsoType.fill(0, 0, received);
    return received;
  }

  send(burst: PacketBurst): number {
    const copies = this.#copies;
    if (copies === undefined || this.#copier === undefined || burst.pool === this.pool)
      return this.#send(burst);
    copies.count = 0;
    // Packets that are sent give their buffers back when somebody is short of them.
    this.pool.available(burst.count);
    this.#copier.copy(burst, copies);
    burst.release();
    return copies.count === 0 ? 0 : this.#send(copies);
  }

  #send(burst: PacketBurst): number {
    if (this.#tooLarge) dropSegments(burst);
    if (!this.#sums) this.#complete(burst);
    else if (this.#prepares) this.#prepare(burst);
    const { tx } = this.to;
    if (this.#tag !== 0) burst.vlan?.fill(this.#tag, 0, burst.count);
    let sent = tx.send(burst, 0);
    const retry = sent < burst.count ? this.#retry : undefined;
    this.waited = retry !== undefined;
    if (retry !== undefined) sent += sendAgain(tx, burst, sent, retry);
    burst.release(sent);
    return sent;
  }

  /** What the other port's device has left to us, this one's does not do. */
  #complete(burst: PacketBurst): void {
    const { offloads } = burst;
    if (offloads === undefined || !this.#says) return;
    for (let i = 0; i < burst.count; i++) {
      if (offloads.flags[i] !== 0) completePacket(this.pool, burst, i, offloads, i);
    }
  }

  #prepare(burst: PacketBurst): void {
    const { tx } = this.to;
    for (let at = tx.prepare(burst); at < burst.count; at = tx.prepare(burst, at)) {
      // As it is: what it asks for cannot be done.
      burst.offloads?.clear(at);
    }
  }

  traffic(): ReturnType<MeteredLane['traffic']> {
    const { stats: rx } = this.from.rx;
    const { stats: tx } = this.to.tx;
    return {
      received: rx.get('good_packets'),
      sent: tx.get('good_packets'),
      receivedBytes: rx.get('good_bytes'),
      sentBytes: tx.get('good_bytes'),
    };
  }
}

/** Drops what only a device can send that cuts it. */
function dropSegments(burst: PacketBurst): void {
  const { offloads } = burst;
  if (offloads === undefined) return;
  let kept = 0;
  for (let i = 0; i < burst.count; i++) {
    if (offloads.gsoType[i] !== 0) burst.releaseOne(i);
    else if (kept++ !== i) burst.move(kept - 1, i);
  }
  burst.count = kept;
}
