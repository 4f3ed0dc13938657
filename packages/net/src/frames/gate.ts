import type { BufferPool } from '@vio/rings';
import type { PacketBurst } from '../packet-burst.ts';
import type { DropReason, QueueStats } from '../stats.ts';
import { type BurstTap, showTo } from './burst-tap.ts';
import { ethernetBytes } from '../packet-headers.ts';
import type { FrameRules } from './frame-rules.ts';
import { insertTag, stripTags, tagBytes } from './vlan.ts';

/** More than any frame has. */
const noLimit = 0x7fff_ffff;

/** What the packets of a queue pass while something is to be done with them. A queue that needs none has none. */
abstract class Gate {
  readonly taps: ReadonlySet<BurstTap>;
  /** Bytes of the largest frame without a tag. */
  readonly limit: number;

  constructor({ mtu }: FrameRules, taps: ReadonlySet<BurstTap>) {
    this.taps = taps;
    this.limit = mtu === undefined ? noLimit : mtu + ethernetBytes;
  }

  /** True when there is nothing for it to do. */
  abstract get idle(): boolean;

  /** Frames that are to be cut, or were put together, have no size of their own (virtio 1.4, 5.1.4.1). */
  protected oversize(u8: Uint8Array, { offset, length, offloads }: PacketBurst, i: number): boolean {
    if (length[i] <= this.limit || (offloads !== undefined && offloads.gsoType[i] !== 0)) return false;
    return length[i] > this.limit + tagBytes(u8, offset[i], length[i]);
  }
}

/** Behind a receive queue: taps see every frame as it came, then what is too large goes, then tags come off. */
export class RxGate extends Gate {
  readonly #strip: boolean;
  readonly #clear: boolean;

  /** @param stripped tags were taken off before: bursts may still say some */
  constructor(rules: FrameRules, taps: ReadonlySet<BurstTap>, stripped: boolean) {
    super(rules, taps);
    this.#strip = rules.vlanStrip === true;
    this.#clear = stripped && !this.#strip;
  }

  override get idle(): boolean {
    return this.taps.size === 0 && this.limit === noLimit && !this.#strip && !this.#clear;
  }

  /** @returns how many of the first `count` packets are left, in place */
  pass(pool: BufferPool, burst: PacketBurst, count: number, stats: QueueStats): number {
    if (this.#strip && burst.vlan === undefined) throw new TypeError('make the burst with NetPort.burst');
    showTo(this.taps, burst, 0, count);
    const left = this.limit === noLimit ? count : this.#dropOversize(pool, burst, count, stats);
    if (this.#strip && burst.vlan !== undefined) stripTags(pool, burst, burst.vlan, left);
    else if (this.#clear) burst.vlan?.fill(0, 0, left);
    return left;
  }

  #dropOversize(pool: BufferPool, burst: PacketBurst, count: number, stats: QueueStats): number {
    const { u8 } = pool.region;
    let n = 0;
    for (let i = 0; i < count; i++) {
      if (this.oversize(u8, burst, i)) {
        burst.releaseOne(i);
        stats.countDrops(1, 'oversize');
      } else {
        if (n !== i) burst.move(n, i);
        n++;
      }
    }
    return n;
  }
}

/** In front of a transmit queue: tags go in, what is too large stays out, and taps see what was sent as it was sent. */
export class TxGate extends Gate {
  readonly #insert: boolean;
  readonly #header: number;
  #reason: DropReason = 'oversize';

  /** @param headerBytes of the virtio-net header in front of every frame */
  constructor(rules: FrameRules, taps: ReadonlySet<BurstTap>, headerBytes: number) {
    super(rules, taps);
    this.#insert = rules.vlanInsert === true;
    this.#header = headerBytes;
  }

  override get idle(): boolean {
    return this.taps.size === 0 && this.limit === noLimit && !this.#insert;
  }

  /** Readies packets from `from` on. @returns index of the first that must not go out, or `end` */
  admit(pool: BufferPool, burst: PacketBurst, from: number, end: number): number {
    const { u8 } = pool.region;
    const vlan = this.#insert ? burst.vlan : undefined;
    if (vlan === undefined && this.limit === noLimit) return end;
    for (let i = from; i < end; i++) {
      if (vlan !== undefined && vlan[i] !== 0 && !insertTag(pool, burst, vlan, i, this.#header)) {
        this.#reason = 'headroom';
        return i;
      }
      if (this.oversize(u8, burst, i)) {
        this.#reason = 'oversize';
        return i;
      }
    }
    return end;
  }

  /** Packets `from` to `end - 1` are on the ring. */
  sent(burst: PacketBurst, from: number, end: number): void {
    showTo(this.taps, burst, from, end);
  }

  /** Drops the packet that `admit` stopped at. */
  refuse(burst: PacketBurst, i: number, stats: QueueStats): void {
    burst.releaseOne(i);
    stats.countDrops(1, this.#reason);
  }
}
