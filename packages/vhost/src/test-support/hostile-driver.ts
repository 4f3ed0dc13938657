import type { DeviceQueue, IndirectDirection, RingFeatures, RingFormat } from '@vio/rings';
import type { Random } from '@vio/rings/testing';
import {
  type HostileMemory,
  type Place,
  buffers,
  places,
  ringParts,
  ringPlace,
  tables,
} from './hostile-memory.ts';

/** A ring and the data path over it. */
export interface Setup {
  readonly format: RingFormat;
  readonly size: number;
  readonly features: RingFeatures;
  readonly header: number;
  readonly mergeable: boolean;
  readonly receives: boolean;
  /** Work may be left to the other side. */
  readonly offloads: boolean;
  readonly tracked: boolean;
  /** Its guest is moved meanwhile, or may be. */
  readonly logged: boolean;
  readonly direction: IndirectDirection;
  readonly base: number;
  /** Buffers and tables may lie in the ring and in each other: what then happens depends on the order of copies. */
  readonly overlapping: boolean;
}

export function randomSetup(random: Random): Setup {
  const format = random.pick(['split', 'packed'] as const);
  const size = random.pick(format === 'split' ? [1, 2, 4, 8, 16, 64] : [1, 2, 3, 5, 8, 13, 33, 64]);
  const position = (): number => random.below(size) | (random.below(2) << 15);
  const packedBase = random.chance(0.7) ? 0x8000_8000 : ((position() << 16) | position()) >>> 0;
  return {
    format,
    size,
    features: {
      format,
      inOrder: random.chance(0.3),
      indirect: random.chance(0.6),
      eventIdx: random.chance(0.5),
    },
    header: random.pick([10, 12, 20]),
    mergeable: random.chance(0.5),
    receives: random.chance(0.5),
    offloads: random.chance(0.4),
    tracked: random.chance(0.25),
    logged: random.chance(0.3),
    direction: random.pick(['flags', 'readable', 'writable'] as const),
    base: format === 'packed' ? packedBase : random.chance(0.5) ? 0 : random.below(65_536),
    overlapping: random.chance(0.15),
  };
}

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const AVAIL = 0x80;
const USED = 0x8000;
const usualLengths = [0, 1, 12, 13, 20, 21, 60, 64, 76, 128, 512, 524, 525, 1024, 1524];
const oddLengths = [
  8191, 8192, 0x3fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff4, 0xffff_fffe, 0xffff_ffff,
];
const oddAddresses = [
  0n,
  2n ** 53n,
  2n ** 53n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n - 16n,
  2n ** 32n - 1n,
  2n ** 31n,
];

/** Writes what a driver should and should not, the same into every memory. */
export class HostileDriver {
  readonly #random: Random;
  readonly #memories: readonly HostileMemory[];
  readonly #setup: Setup;
  readonly #view: DataView;

  constructor(random: Random, memories: readonly HostileMemory[], setup: Setup) {
    this.#random = random;
    this.#memories = memories;
    this.#setup = setup;
    this.#view = memories[0].view;
  }

  /** The ring as it is before its first buffer; sometimes nonsense is left in it. */
  begin(): void {
    const { format, base } = this.#setup;
    for (const memory of this.#memories) memory.clear();
    if (format === 'split') {
      this.#put16(ringParts.driver + 2, base);
      this.#put16(ringParts.device + 2, base);
    }
    if (this.#random.chance(0.3))
      for (let i = 0; i < 64; i++) this.#poke(ringPlace.at + this.#random.below(4096));
  }

  /** Does a few things to the ring. */
  act(queue: DeviceQueue): void {
    const random = this.#random;
    const { format, size } = this.#setup;
    for (let left = 1 + random.below(4); left > 0; left--) {
      const what = random.below(960);
      if (what < 840) {
        if (format === 'split') this.#exposeSplit(queue.base());
        else this.#exposePacked(queue.base());
      } else if (what < 880) this.#describe(this.#slot(random.below(size)), random.u32());
      else if (what < 900) this.#pokeAnywhere();
      else if (what < 920) this.#pokeEvents();
      else this.#exposeTable();
    }
  }

  #exposeSplit(base: number): void {
    const random = this.#random;
    const { size } = this.#setup;
    const index = this.#view.getUint16(ringPlace.at + ringParts.driver + 2, true);
    const room = size - ((index - base) & 0xffff);
    if (room <= 0 && random.chance(0.99)) return;
    const count = 1 + random.below(Math.max(1, Math.min(8, room)));
    for (let i = 0; i < count; i++) {
      const head = random.below(size);
      this.#describe(this.#slot(head), this.#flags() | (random.below(size) << 16));
      this.#put16(ringParts.driver + 4 + 2 * ((index + i) % size), head);
    }
    this.#put16(ringParts.driver + 2, index + count);
  }

  #exposePacked(base: number): void {
    const random = this.#random;
    const { size } = this.#setup;
    let next = base & 0x7fff;
    let wrap = (base >>> 15) & 1;
    for (let left = 1 + random.below(Math.min(8, size)); left > 0; left--) {
      const id = random.chance(0.9) ? random.below(size) : random.below(65_536);
      this.#describe(this.#slot(next), id | ((this.#flags() | (wrap === 1 ? AVAIL : USED)) << 16));
      if (++next === size) {
        next = 0;
        wrap ^= 1;
      }
    }
  }

  /** A table somewhere, and a descriptor for it. */
  #exposeTable(): void {
    const random = this.#random;
    const { format, size, receives, overlapping } = this.#setup;
    const where = overlapping ? random.pick(places) : tables;
    const offset = random.below(where.size - 256);
    const at = where.at + (random.chance(0.9) ? offset & ~15 : offset);
    const entries = 1 + random.below(8);
    for (let i = 0; i < entries; i++) {
      this.#describe(at + 16 * i, (random.chance(0.8) ? NEXT : 0) | (receives ? WRITE : 0) | ((i + 1) << 16));
    }
    const bits = random.chance(0.5) ? AVAIL : USED;
    const last = format === 'split' ? INDIRECT : random.below(size) | ((INDIRECT | bits) << 16);
    const bytes = random.chance(0.9) ? entries * 16 : random.u32();
    const address = BigInt(where.guest) + BigInt(at - where.at);
    this.#putDescriptor(this.#slot(random.below(size)), address, bytes, last);
  }

  #describe(at: number, last: number): void {
    const random = this.#random;
    const length = random.chance(0.97)
      ? random.pick(random.chance(0.95) ? usualLengths : oddLengths)
      : random.u32();
    const flags = this.#setup.format === 'split' ? last : last >>> 16;
    this.#putDescriptor(at, this.#address((flags & INDIRECT) !== 0), length, last);
  }

  #flags(): number {
    const random = this.#random;
    const { receives, features } = this.#setup;
    const direction = receives === random.chance(0.9) ? WRITE : 0;
    const table = random.chance(0.06) && (features.indirect || random.chance(0.1));
    return (random.chance(0.2) ? NEXT : 0) | direction | (table ? INDIRECT : 0);
  }

  #address(table: boolean): bigint {
    const random = this.#random;
    const own: readonly Place[] = this.#setup.overlapping ? places : table ? [tables] : buffers;
    const { guest, size } = random.pick(own);
    const kind = random.below(720);
    const inside = random.below(size);
    if (kind < 700) return BigInt(guest) + BigInt(table && random.chance(0.9) ? inside & ~15 : inside);
    if (kind < 708) return BigInt(guest) + BigInt(size) - BigInt(random.below(32));
    if (kind < 712) return BigInt(guest) - BigInt(random.below(32));
    if (kind < 715) return random.pick(oddAddresses);
    if (kind < 717) return BigInt(guest) + random.pick([2n ** 32n, 2n ** 63n]);
    return (BigInt(random.u32()) << 32n) | BigInt(random.u32());
  }

  #pokeAnywhere(): void {
    const { at, size } = this.#random.pick(this.#setup.overlapping ? places : [ringPlace, ...buffers]);
    this.#poke(at + this.#random.below(size));
  }

  #pokeEvents(): void {
    const { format, size } = this.#setup;
    const part = this.#random.pick([ringParts.driver, ringParts.device]);
    this.#poke(ringPlace.at + part + this.#random.below(6 + (format === 'split' ? 8 * size : 0)));
  }

  #slot(index: number): number {
    return ringPlace.at + ringParts.descriptors + 16 * index;
  }

  #poke(at: number): void {
    const value = this.#random.below(256);
    for (const { u8 } of this.#memories) u8[at] = value;
  }

  #put16(offset: number, value: number): void {
    for (const { view } of this.#memories) view.setUint16(ringPlace.at + offset, value & 0xffff, true);
  }

  #putDescriptor(at: number, address: bigint, length: number, last: number): void {
    for (const { view } of this.#memories) {
      view.setBigUint64(at, address, true);
      view.setUint32(at + 8, length, true);
      view.setUint32(at + 12, last, true);
    }
  }
}
