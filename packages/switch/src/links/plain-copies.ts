import { HDR_GSO_NONE, PacketBurst, Segmenter, completePacket } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import { PoolCopiers } from '../fabric/pool-copiers.ts';

const burstCapacity = 64;

/** Who gets packets that are complete. */
export interface PlainSink {
  /** Sends all of a burst, as far as there is room, and gives the buffers of what is not sent back. @returns how many were sent */
  sendPlain(burst: PacketBurst): number;
}

/**
 * Copies of packets with nothing left to do, for what takes no offloads: checksums are computed, large packets cut. The packets stay
 * as they are, since others may get them as well.
 */
export class PlainCopies {
  readonly #target: BufferPool;
  readonly #sink: PlainSink;
  readonly #copies = new PacketBurst(burstCapacity, { offloads: true });
  readonly #out = new PacketBurst(burstCapacity);
  readonly #cut = new Segmenter();
  /** By the pool that packets come from. */
  readonly #copiers: PoolCopiers;

  /** @param target pool of the copies */
  constructor(target: BufferPool, sink: PlainSink) {
    this.#target = target;
    this.#copiers = new PoolCopiers(target);
    this.#sink = sink;
  }

  /** @returns how many of the packets were not sent, or not wholly */
  deliver(burst: PacketBurst, from: number, count: number): number {
    const { pool } = burst;
    if (pool === undefined) return count;
    const copier = this.#copiers.of(pool);
    const all = burst.count;
    let sent = 0;
    for (let i = from; i < from + count; i++) {
      // One by one: what one is cut into may take many buffers.
      burst.count = i + 1;
      this.#copies.count = 0;
      if (copier.copy(burst, this.#copies, i) === 1 && this.#sendOne()) sent++;
    }
    burst.count = all;
    return count - sent;
  }

  #sendOne(): boolean {
    const target = this.#target;
    const copies = this.#copies;
    const { offloads } = copies;
    const out = this.#out;
    if (offloads === undefined) return false;
    out.pool = target;
    out.count = 0;
    if (offloads.gsoType[0] === HDR_GSO_NONE) {
      completePacket(target, copies, 0, offloads, 0);
      out.buffer[0] = copies.buffer[0];
      out.offset[0] = copies.offset[0];
      out.length[0] = copies.length[0];
      out.segments[0] = copies.segments[0];
      out.count = 1;
      return this.#sink.sendPlain(out) === 1;
    }
    let whole = this.#cut.begin(target, copies, 0, offloads, 0);
    while (whole && this.#cut.left > 0) {
      out.count = 0;
      this.#cut.next(out, out.capacity);
      const made = out.count;
      whole = made > 0 && this.#sink.sendPlain(out) === made;
    }
    this.#cut.left = 0;
    copies.releaseOne(0);
    return whole;
  }
}
