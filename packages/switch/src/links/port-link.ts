import { type NetPort, PacketBurst, PacketCopier, featureNames } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { Link } from '../fabric/link.ts';

const burstCapacity = 64;

/**
 * A virtio-net port of the switch's own, as its uplink: on a tap (vhost-net), a card (vDPA), or a port of another switch. It has
 * memory of its own, and frames are copied there from wherever they are.
 */
export class PortLink implements Link {
  readonly port: NetPort;
  readonly queues: number;
  readonly #wake: () => void;
  readonly #out: PacketBurst;
  /** By the pool that frames come from. */
  readonly #copiers = new Map<BufferPool, PacketCopier>();
  #last: BufferPool | undefined;
  #copier: PacketCopier | undefined;
  #turn = 0;

  /** @param wake is called when something has come in while it was armed */
  constructor(port: NetPort, wake: () => void) {
    this.port = port;
    this.queues = port.rx.length;
    this.#wake = wake;
    this.#out = port.burst(burstCapacity);
    for (const pair of port.rx.keys()) port.rxInterrupt(pair).onSignal(() => this.#wake());
  }

  receive(queue: number, _pool: BufferPool, burst: PacketBurst): number {
    burst.pool = this.port.pool;
    if (this.port.gone || !this.port.link.up) return (burst.count = 0);
    return this.port.rx[queue].receive(burst);
  }

  deliver(burst: PacketBurst, from: number, count: number): number {
    const { port } = this;
    if (port.gone || !port.link.up) return count;
    const out = this.#out;
    const { pool } = port;
    // All queue pairs in turn: this side has no flows of its own.
    const tx = port.tx[this.#turn++ % port.tx.length];
    if (pool.free < 2 * burstCapacity) tx.reap();
    const all = burst.count;
    burst.count = from + count;
    out.count = 0;
    this.#copierFor(burst.pool ?? pool).copy(burst, out, from);
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

  describe(): Record<string, unknown> {
    const { features, mac, link } = this.port;
    return { kind: 'virtio-user', features: featureNames(features), mac, up: link.up };
  }

  #copierFor(pool: BufferPool): PacketCopier {
    if (pool === this.#last && this.#copier !== undefined) return this.#copier;
    let copier = this.#copiers.get(pool);
    if (copier === undefined) {
      copier = new PacketCopier(pool, this.port.pool);
      this.#copiers.set(pool, copier);
    }
    this.#last = pool;
    return (this.#copier = copier);
  }
}
