import type { RingFeatures } from '../format.ts';
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, descriptorBytes } from '../layout/descriptor.ts';
import type { GuestMemory } from './guest-memory.ts';

/** A descriptor as it is in memory. `id` is the third field of a packed one, `next` the fourth of a split one. */
export interface SeenDescriptor {
  /** Position in its ring or table. */
  readonly index: number;
  /** The low 53 bits are exact, which is more than a driver's addresses have. */
  readonly address: number;
  /** Bytes. */
  readonly length: number;
  /** VIRTQ_DESC_F_* bits. */
  readonly flags: number;
  /** Split: the descriptor behind it, with the flag NEXT. */
  readonly next: number;
  /** Packed: the buffer id. */
  readonly id: number;
}

/** A buffer element, wherever its descriptor was. */
export interface SeenBuffer {
  /** Guest address. */
  readonly address: number;
  /** Bytes. */
  readonly length: number;
  /** The device may write it. */
  readonly writable: boolean;
}

/** An available chain as a device finds it. */
export interface SeenChain {
  /** What the device says to give it back: the head (split) or the buffer id (packed). */
  readonly id: number;
  /** Ring descriptors it takes. */
  readonly slots: number;
  /** Those descriptors. */
  readonly list: readonly SeenDescriptor[];
  /** The entries of its indirect table, if it has one. */
  readonly table: readonly SeenDescriptor[] | undefined;
  /** The buffers that all of this describes. */
  readonly buffers: readonly SeenBuffer[];
}

/** Reads chains and refuses those that the specification forbids a driver to make. */
export class ChainReader {
  readonly #memory: GuestMemory;
  readonly #features: RingFeatures;
  readonly #size: number;

  constructor(memory: GuestMemory, features: RingFeatures, size: number) {
    this.#memory = memory;
    this.#features = features;
    this.#size = size;
  }

  /** Descriptor `index` of the ring or table at `base`. */
  descriptor(base: number, index: number): SeenDescriptor {
    const at = base + index * descriptorBytes;
    const word3 = this.#memory.u32(at + 12);
    const packed = this.#features.format === 'packed';
    return {
      index,
      address: this.#memory.u32(at) + this.#memory.u32(at + 4) * 2 ** 32,
      length: this.#memory.u32(at + 8),
      flags: packed ? word3 >>> 16 : word3 & 0xffff,
      next: packed ? 0 : word3 >>> 16,
      id: packed ? word3 & 0xffff : 0,
    };
  }

  /** The chain of a split ring that starts at `head`. */
  readSplit(base: number, head: number): Omit<SeenChain, 'id' | 'slots'> {
    const list = this.#follow(base, head, this.#size);
    return { list, ...this.resolve(list) };
  }

  /** The buffers of a list of ring descriptors, those of an indirect table included. */
  resolve(list: readonly SeenDescriptor[]): Pick<SeenChain, 'buffers' | 'table'> {
    const last = list[list.length - 1];
    const table = (last.flags & DESC_F_INDIRECT) === 0 ? undefined : this.#table(last);
    if (list.some(({ flags }) => (flags & DESC_F_INDIRECT) !== 0 && (flags & DESC_F_NEXT) !== 0)) {
      throw new Error('a descriptor has both INDIRECT and NEXT');
    }
    // 2.8.19: a packed list is either direct or one indirect descriptor.
    if (this.#features.format === 'packed' && table !== undefined && list.length > 1) {
      throw new Error('an indirect descriptor ends a list of others');
    }
    const elements = table === undefined ? list : [...list.slice(0, -1), ...table];
    if (elements.length > this.#size) throw new Error('a chain is longer than the queue');
    const buffers = elements.map(({ address, length, flags }) => ({
      address,
      length,
      writable: (flags & DESC_F_WRITE) !== 0,
    }));
    if (buffers.some(({ writable }, i) => i > 0 && !writable && buffers[i - 1].writable)) {
      throw new Error('a device-readable buffer follows a device-writable one');
    }
    return { buffers, table };
  }

  #table({ address, length }: SeenDescriptor): SeenDescriptor[] {
    if (!this.#features.indirect) throw new Error('an indirect descriptor was not negotiated');
    if (length === 0 || length % descriptorBytes !== 0)
      throw new Error(`an indirect table of ${length} bytes`);
    const entries = length / descriptorBytes;
    const packed = this.#features.format === 'packed';
    const table = packed
      ? Array.from({ length: entries }, (_, i) => this.descriptor(address, i))
      : this.#follow(address, 0, entries);
    // 2.7.5.3.1 and 2.8.19: no nesting; of packed flags only WRITE.
    if (table.some(({ flags }) => (flags & (packed ? ~DESC_F_WRITE : DESC_F_INDIRECT)) !== 0)) {
      throw new Error('a flag that is not allowed in an indirect table');
    }
    return table;
  }

  /** Follows `next` through a table of `entries`. */
  #follow(base: number, head: number, entries: number): SeenDescriptor[] {
    const list: SeenDescriptor[] = [];
    for (let index = head; ;) {
      if (index >= entries) throw new Error(`descriptor ${index} of ${entries}`);
      if (list.some((seen) => seen.index === index)) throw new Error(`a chain comes back to ${index}`);
      const descriptor = this.descriptor(base, index);
      list.push(descriptor);
      if ((descriptor.flags & DESC_F_NEXT) === 0) return list;
      index = descriptor.next;
    }
  }
}
