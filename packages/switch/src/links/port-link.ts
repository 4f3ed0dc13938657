import {
  HDR_GSO_NONE,
  HDR_GSO_TCPV4,
  HDR_GSO_TCPV6,
  HDR_GSO_UDP_L4,
  type NetPort,
  PacketBurst,
  type RingState,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_USO,
  featureNames,
} from '@vio/net';
import { portRings } from '@vio/net/internal';
import type { BufferPool } from '@vio/rings';
import { leavesWork } from '../fabric/frame-offloads.ts';
import type { Link } from '../fabric/link.ts';
import { PoolCopiers } from '../fabric/pool-copiers.ts';
import { PlainCopies, type PlainSink } from './plain-copies.ts';

const burstCapacity = 64;
const segmentations = [
  [HDR_GSO_NONE, VIRTIO_NET_F_CSUM],
  [HDR_GSO_TCPV4, VIRTIO_NET_F_HOST_TSO4],
  [HDR_GSO_TCPV6, VIRTIO_NET_F_HOST_TSO6],
  [HDR_GSO_UDP_L4, VIRTIO_NET_F_HOST_USO],
] as const;

/**
 * A virtio-net port of the switch's own, as its uplink: on a tap (vhost-net), a card (vDPA), or a port of another switch. It has
 * memory of its own, and frames are copied there from wherever they are.
 */
export class PortLink implements Link, PlainSink {
  readonly port: NetPort;
  readonly queues: number;
  readonly #wake: () => void;
  readonly #out: PacketBurst;
  readonly #copiers: PoolCopiers;
  #turn = 0;
  /** For packets that leave to the other end what it does not take. */
  readonly #plain: PlainCopies;
  /** By segmentation type: 1 if the other end does that. What is rare (ECN, fragments of UDP) is done here. */
  readonly #takes = new Uint8Array(256);

  /** @param wake is called when something has come in while it was armed */
  constructor(port: NetPort, wake: () => void) {
    this.port = port;
    this.queues = port.rx.length;
    this.#wake = wake;
    this.#out = port.burst(burstCapacity);
    this.#copiers = new PoolCopiers(port.pool);
    this.#plain = new PlainCopies(port.pool, this);
    for (const [kind, bit] of segmentations) this.#takes[kind] = (port.features & bit) === 0n ? 0 : 1;
    for (const pair of port.rx.keys()) port.rxInterrupt(pair).onSignal(() => this.#wake());
  }

  receive(queue: number, _pool: BufferPool, burst: PacketBurst): number {
    burst.pool = this.port.pool;
    if (this.port.gone || !this.port.link.up) return (burst.count = 0);
    const count = this.port.rx[queue].receive(burst);
    // What headers may not say stays as it was in the burst.
    if (this.#out.offloads === undefined) {
      burst.offloads?.flags.fill(0, 0, count);
      burst.offloads?.gsoType.fill(0, 0, count);
    }
    return count;
  }

  deliver(burst: PacketBurst, from: number, count: number): number {
    const { port } = this;
    if (port.gone || !port.link.up) return count;
    let lost = 0;
    let at = from;
    while (at < from + count) {
      const plain = this.#isForOthers(burst, at);
      let end = at + 1;
      while (end < from + count && this.#isForOthers(burst, end) === plain) end++;
      lost += plain ? this.#plain.deliver(burst, at, end - at) : this.#send(burst, at, end - at);
      at = end;
    }
    return lost;
  }

  /** True when packet `i` leaves work to the other end that this does not do. */
  #isForOthers(burst: PacketBurst, i: number): boolean {
    return (
      leavesWork(burst, i) && (burst.offloads === undefined || this.#takes[burst.offloads.gsoType[i]] === 0)
    );
  }

  sendPlain(burst: PacketBurst): number {
    const { port } = this;
    const tx = port.tx[this.#turn % port.tx.length];
    if (port.pool.free < 2 * burstCapacity) tx.reap();
    const all = burst.count;
    const sent = tx.send(burst);
    burst.release(sent);
    return Math.min(sent, all);
  }

  #send(burst: PacketBurst, from: number, count: number): number {
    const { port } = this;
    const out = this.#out;
    const { pool } = port;
    // All queue pairs in turn: this side has no flows of its own.
    const tx = port.tx[this.#turn++ % port.tx.length];
    if (pool.free < 2 * burstCapacity) tx.reap();
    const all = burst.count;
    burst.count = from + count;
    out.count = 0;
    this.#copiers.of(burst.pool ?? pool).copy(burst, out, from);
    burst.count = all;
    const sent = tx.send(out);
    out.release(sent);
    return count - sent;
  }

  arm(): boolean {
    if (this.port.gone) return false;
    let waiting = false;
    for (let pair = 0; pair < this.queues; pair++) {
      if (this.port.rxInterrupt(pair).enable()) waiting = true;
    }
    if (waiting) this.disarm();
    return waiting;
  }

  disarm(): void {
    if (this.port.gone) return;
    for (let pair = 0; pair < this.queues; pair++) this.port.rxInterrupt(pair).disable();
  }

  stats(): Record<string, number> {
    return this.port.stats();
  }

  rings(): RingState[] {
    return portRings(this.port);
  }

  dump(): Iterable<object> {
    return this.port.ringDumps();
  }

  describe(): Record<string, unknown> {
    const { features, mac, link } = this.port;
    return { kind: 'virtio-user', features: featureNames(features), mac, up: link.up };
  }
}
