import type { DeviceQueueOptions, DeviceVringAddresses, WindowOffset } from '../device/device-queue.ts';
import type { RingFeatures } from '../format.ts';
import {
  DESC_F_AVAIL,
  DESC_F_INDIRECT,
  DESC_F_NEXT,
  DESC_F_USED,
  DESC_F_WRITE,
  descriptorBytes,
} from '../layout/descriptor.ts';
import {
  RING_EVENT_DESC,
  RING_EVENT_DISABLE,
  RING_EVENT_ENABLE,
  packedLayout,
} from '../layout/packed-layout.ts';
import { splitLayout } from '../layout/split-layout.ts';
import type { MemoryMap } from '../memory/memory-map.ts';
import { GuestMemory } from './guest-memory.ts';

/** One descriptor and the buffer it names. Everything may be wrong: nothing is checked. */
export interface ScriptedBuffer {
  /** Guest address; a bigint where a number is not exact. */
  readonly address: number | bigint;
  /** Bytes, as an unsigned 32-bit number. */
  readonly length: number;
  /** For the device to write; default false. */
  readonly writable?: boolean;
  /** Flags set on top of those that follow from the rest. */
  readonly flags?: number;
  /**
   * Split: says where the chain goes on (a descriptor index, in a table an entry index), or that it ends
   * here. Default: at the next element.
   */
  readonly next?: number | 'end';
}

/** A descriptor with INDIRECT and the table it names. */
export interface ScriptedTable {
  /** The descriptors in the table. */
  readonly table: readonly ScriptedBuffer[];
  /** Where the table is put; default: on the heap of `memory`. */
  readonly address?: number;
  /** What the descriptor says about its size in bytes; default the truth. */
  readonly length?: number;
  /** Flags of the descriptor, on top of INDIRECT. */
  readonly flags?: number;
}

/** The descriptors of a chain, in their order. */
export type ScriptedChain = readonly (ScriptedBuffer | ScriptedTable)[];

/** The ring that a scripted driver plays with. */
export interface ScriptedDriverOptions {
  /** The rings are laid out at the start of window 0, the heap follows. */
  readonly memory: MemoryMap;
  /** Descriptors. */
  readonly size: number;
  /** What is negotiated for the ring. */
  readonly features: RingFeatures;
}

/**
 * A driver that plays what a test says, for testing a device queue: it exposes chains of any shape, right or
 * wrong, and takes back what was used. Written for clarity, not speed; with the queues it shares constants only.
 *
 * ```ts
 * const driver = new ScriptedDriver({ memory, size: 8, features });
 * const queue = createDeviceQueue(driver.device);
 * const [id] = driver.expose([{ address: driver.memory.put('hello'), length: 5 }]);
 * queue.fetch(chains, 32);
 * queue.complete(chains, 0, 1);
 * driver.used(); // [{ id, length: 0 }]
 * ```
 */
export class ScriptedDriver {
  /** Descriptors. */
  readonly size: number;
  /** What is negotiated for the ring. */
  readonly features: RingFeatures;
  /** The driver's memory. */
  readonly memory: GuestMemory;
  /** Where the parts of the ring are. */
  readonly addresses: DeviceVringAddresses;
  /** What to build the device queue under test from. */
  readonly device: DeviceQueueOptions;

  /** Free descriptors (split) or buffer ids (packed), first in, first out. */
  readonly #ids: number[];
  /** By id of a buffer the device has: its descriptors (split), or as many entries as it has slots (packed). */
  readonly #held = new Map<number, number[]>();
  /** Split: free-running indexes. Packed: positions, with wrap counters. */
  #avail = 0;
  #availWrap = 1;
  #used = 0;
  #usedWrap = 1;
  /** Ring slots (packed) or chains (split) exposed since the last `kickWanted`. */
  #unkicked = 0;

  constructor(options: ScriptedDriverOptions) {
    const { memory, size, features } = options;
    this.size = size;
    this.features = features;
    this.#ids = Array.from({ length: size }, (_, i) => i);
    if (features.format === 'split') {
      const { descriptors, avail, used, bytes } = splitLayout(size, 64);
      this.addresses = { descriptors: inFirst(descriptors), driver: inFirst(avail), device: inFirst(used) };
      this.memory = new GuestMemory(memory, bytes);
    } else {
      const { descriptors, driverEvent, deviceEvent, bytes } = packedLayout(size);
      this.addresses = {
        descriptors: inFirst(descriptors),
        driver: inFirst(driverEvent),
        device: inFirst(deviceEvent),
      };
      this.memory = new GuestMemory(memory, bytes);
    }
    const base = features.format === 'split' ? 0 : 0x8000_8000;
    this.device = { memory, addresses: this.addresses, size, features, base };
  }

  /** Descriptors (split) or ring slots (packed) that can still be exposed. */
  get free(): number {
    let held = 0;
    for (const slots of this.#held.values()) held += slots.length;
    return this.size - held;
  }

  /**
   * Writes chains into the ring and makes them available together.
   * @returns their ids, as the device gives them back
   * @throws RangeError for more descriptors than are free
   */
  expose(...chains: readonly ScriptedChain[]): number[] {
    const wanted = chains.reduce((sum, chain) => sum + chain.length, 0);
    if (wanted > this.free) throw new RangeError(`${wanted} descriptors wanted, ${this.free} free`);
    return this.features.format === 'split' ? this.#exposeSplit(chains) : this.#exposePacked(chains);
  }

  /** Takes back what the device has used since the last call, in its order. */
  used(): { id: number; length: number }[] {
    return this.features.format === 'split' ? this.#usedSplit() : this.#usedPacked();
  }

  /** Whether the device asked to be kicked for what was exposed since the last call. */
  kickWanted(): boolean {
    const count = this.#unkicked;
    this.#unkicked = 0;
    if (count === 0) return false;
    const { memory } = this;
    if (this.features.format === 'split') {
      if (!this.features.eventIdx) return memory.u16(this.#device) === 0;
      const event = memory.u16(this.#device + 4 + 8 * this.size);
      return ((this.#avail - 1 - event) & 0xffff) < count;
    }
    const event = memory.u16(this.#device);
    const flags = memory.u16(this.#device + 2);
    if (flags !== RING_EVENT_DESC) return flags === RING_EVENT_ENABLE;
    // Of the last `count` slots exposed, is one the descriptor of the event?
    for (let i = 1; i <= count; i++) {
      const lapsed = this.#avail - i < 0;
      const slot = lapsed ? this.#avail - i + this.size : this.#avail - i;
      if (event === (slot | ((lapsed ? this.#availWrap ^ 1 : this.#availWrap) << 15))) return true;
    }
    return false;
  }

  /**
   * Tells the device when this driver wants to be called: for every used buffer, for none, or (EVENT_IDX) when it
   * uses the buffer that is `n` further on than the next one (packed: ring slots).
   */
  wantCalls(when: 'always' | 'never' | number): void {
    const { memory, size } = this;
    if (this.features.format === 'split') {
      if (typeof when === 'number') memory.setU16(this.#driver + 4 + 2 * size, this.#used + when);
      else if (this.features.eventIdx)
        memory.setU16(this.#driver + 4 + 2 * size, this.#used - (when === 'always' ? 0 : 1));
      else memory.setU16(this.#driver, when === 'always' ? 0 : 1);
    } else if (typeof when === 'number') {
      const slot = this.#used + when;
      const lap = slot >= size ? 1 : 0;
      memory.setU16(this.#driver, (slot - lap * size) | ((this.#usedWrap ^ lap) << 15));
      memory.setU16(this.#driver + 2, RING_EVENT_DESC);
    } else memory.setU16(this.#driver + 2, when === 'always' ? RING_EVENT_ENABLE : RING_EVENT_DISABLE);
  }

  /** Overwrites one ring descriptor. `word3` is flags and next (split), or id and flags (packed), as a u32. */
  setDescriptor(index: number, address: number | bigint, length: number, word3: number): void {
    this.memory.setDescriptor(this.#table + index * descriptorBytes, address, length, word3);
  }

  /** Split: makes `avail.idx` say anything. */
  setAvailIndex(index: number): void {
    this.memory.setU16(this.#driver + 2, index);
  }

  /** Split: makes the available ring name any descriptor in the slot that is exposed next. */
  exposeHead(head: number): void {
    this.memory.setU16(this.#driver + 4 + 2 * (this.#avail % this.size), head);
    this.#avail = (this.#avail + 1) & 0xffff;
    this.setAvailIndex(this.#avail);
  }

  /** Fills the parts of the ring with bytes from `random`, which gives 0 to 255. */
  scramble(random: () => number): void {
    const eventBytes = 4;
    const parts =
      this.features.format === 'split'
        ? [
            [this.#table, this.size * descriptorBytes],
            [this.#driver, 6 + 2 * this.size],
            [this.#device, 6 + 8 * this.size],
          ]
        : [
            [this.#table, this.size * descriptorBytes],
            [this.#driver, eventBytes],
            [this.#device, eventBytes],
          ];
    for (const [start, bytes] of parts) {
      for (let i = 0; i < bytes; i++) this.memory.setU8(start + i, random());
    }
  }

  get #table(): number {
    return this.memory.base + this.addresses.descriptors.offset;
  }

  get #driver(): number {
    return this.memory.base + this.addresses.driver.offset;
  }

  get #device(): number {
    return this.memory.base + this.addresses.device.offset;
  }

  #exposeSplit(chains: readonly ScriptedChain[]): number[] {
    const heads = chains.map((chain) => {
      const indexes = this.#ids.splice(0, chain.length);
      this.#held.set(indexes[0], indexes);
      chain.forEach((element, i) => {
        const [address, length, flags] = this.#describe(element);
        const link = nextOf(element, indexes[i + 1]);
        this.setDescriptor(indexes[i], address, length, splitWord(flags, link));
      });
      return indexes[0];
    });
    for (const [i, head] of heads.entries()) {
      this.memory.setU16(this.#driver + 4 + 2 * ((this.#avail + i) % this.size), head);
    }
    this.#avail = (this.#avail + heads.length) & 0xffff;
    this.#unkicked += heads.length;
    this.setAvailIndex(this.#avail);
    return heads;
  }

  #exposePacked(chains: readonly ScriptedChain[]): number[] {
    const writes: (() => void)[] = [];
    const ids = chains.map((chain) => {
      const [id] = this.#ids.splice(0, 1);
      this.#held.set(
        id,
        Array.from(chain, () => id),
      );
      for (const [i, element] of chain.entries()) {
        const [address, length, flags] = this.#describe(element);
        const more = i < chain.length - 1 ? DESC_F_NEXT : 0;
        const available = this.#availWrap === 1 ? DESC_F_AVAIL : DESC_F_USED;
        const slot = this.#avail;
        const word3 = id | ((flags | more | available) << 16);
        writes.push(() => this.setDescriptor(slot, address, length, word3));
        this.#unkicked++;
        if (++this.#avail === this.size) {
          this.#avail = 0;
          this.#availWrap ^= 1;
        }
      }
      return id;
    });
    // The very first descriptor goes last: the device must not see part of a chain (spec 2.8.17).
    for (const write of writes.toReversed()) write();
    return ids;
  }

  /** Address, length and flags of an element's descriptor; writes the table of an indirect one. */
  #describe(element: ScriptedBuffer | ScriptedTable): [number | bigint, number, number] {
    if (!('table' in element)) {
      return [element.address, element.length, (element.writable ? DESC_F_WRITE : 0) | (element.flags ?? 0)];
    }
    const address = element.address ?? this.memory.alloc(element.table.length * descriptorBytes);
    element.table.forEach((entry, i) => {
      const flags = (entry.writable ? DESC_F_WRITE : 0) | (entry.flags ?? 0);
      const link = nextOf(entry, i < element.table.length - 1 ? i + 1 : undefined);
      const word3 = this.features.format === 'split' ? splitWord(flags, link) : flags << 16;
      this.memory.setDescriptor(address + i * descriptorBytes, entry.address, entry.length, word3);
    });
    return [
      address,
      element.length ?? element.table.length * descriptorBytes,
      DESC_F_INDIRECT | (element.flags ?? 0),
    ];
  }

  #usedSplit(): { id: number; length: number }[] {
    const result = [];
    const index = this.memory.u16(this.#device + 2);
    for (; this.#used !== index; this.#used = (this.#used + 1) & 0xffff) {
      const entry = this.#device + 4 + 8 * (this.#used % this.size);
      result.push(this.#release(this.memory.u32(entry), this.memory.u32(entry + 4)));
    }
    return result;
  }

  #usedPacked(): { id: number; length: number }[] {
    const result = [];
    for (;;) {
      const at = this.#table + this.#used * descriptorBytes;
      const flags = this.memory.u16(at + 14) & (DESC_F_AVAIL | DESC_F_USED);
      if (flags !== (this.#usedWrap === 1 ? DESC_F_AVAIL | DESC_F_USED : 0)) return result;
      const id = this.memory.u16(at + 12);
      const slots = this.#held.get(id)?.length ?? 1;
      // Without WRITE in a used descriptor its length means nothing (spec 2.8.5).
      const written = (this.memory.u16(at + 14) & DESC_F_WRITE) !== 0;
      result.push(this.#release(id, written ? this.memory.u32(at + 8) : 0));
      this.#used += slots;
      if (this.#used >= this.size) {
        this.#used -= this.size;
        this.#usedWrap ^= 1;
      }
    }
  }

  #release(id: number, length: number): { id: number; length: number } {
    const held = this.#held.get(id);
    if (held === undefined) throw new Error(`the device used buffer ${id}, which it does not have`);
    this.#held.delete(id);
    this.#ids.push(...(this.features.format === 'split' ? held : [id]));
    return { id, length };
  }
}

/** A place in memory that is one window. */
export function inFirst(offset: number): WindowOffset {
  return { window: 0, offset };
}

function nextOf(element: ScriptedBuffer | ScriptedTable, following: number | undefined): number | undefined {
  if ('table' in element || element.next === undefined) return following;
  return element.next === 'end' ? undefined : element.next;
}

function splitWord(flags: number, next: number | undefined): number {
  return next === undefined ? flags : flags | DESC_F_NEXT | (next << 16);
}
