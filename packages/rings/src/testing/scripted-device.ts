import type { VringAddresses } from '../driver/driver-queue.ts';
import type { RingFeatures } from '../format.ts';
import {
  DESC_F_AVAIL,
  DESC_F_NEXT,
  DESC_F_USED,
  DESC_F_WRITE,
  descriptorBytes,
} from '../layout/descriptor.ts';
import { RING_EVENT_DESC, RING_EVENT_DISABLE, RING_EVENT_ENABLE } from '../layout/packed-layout.ts';
import { MemoryMap } from '../memory/memory-map.ts';
import type { Region } from '../memory/region.ts';
import { GuestMemory } from './guest-memory.ts';
import { ChainReader, type SeenChain, type SeenDescriptor } from './chain-reader.ts';

/** The ring that a scripted device plays with. */
export interface ScriptedDeviceOptions {
  /** The driver's memory. */
  readonly region: Region;
  /** Byte offsets in the region, as a driver queue has them. */
  readonly addresses: VringAddresses;
  /** Descriptors. */
  readonly size: number;
  /** What is negotiated for the ring. */
  readonly features: RingFeatures;
}

/** What the device says of a buffer it has used. A `SeenChain` with a length is one. Nothing is checked. */
export interface ScriptedUse {
  /** Split: the head descriptor's index; packed: the buffer id. */
  readonly id: number;
  /** Bytes written, as an unsigned 32-bit number; default 0. */
  readonly length?: number;
  /** Packed: ring slots to move on by; default what the buffer of this id took, or 1. */
  readonly slots?: number;
  /** Packed: flags set on top of those that follow from the rest. */
  readonly flags?: number;
}

/**
 * A device that plays what a test says, for testing a driver queue: it takes available chains, insisting on what the
 * specification asks of a driver, and uses them in any order and to any length, or claims to have used anything at
 * all. Written for clarity, not speed; with the queues it shares constants only.
 *
 * ```ts
 * const device = new ScriptedDevice({ region, addresses: queue.addresses, size, features });
 * queue.add(token, offset, length, 0, 2, 0);
 * const [first, second] = device.take();
 * device.use(second, { ...first, length: 60 });
 * queue.reap(token, length, 0, 32); // 2
 * ```
 */
export class ScriptedDevice {
  /** Descriptors. */
  readonly size: number;
  /** What is negotiated for the ring. */
  readonly features: RingFeatures;
  /** Where the parts of the ring are for a device. */
  readonly addresses: VringAddresses;
  /** The driver's memory. */
  readonly memory: GuestMemory;
  /** Chains taken and not used yet, by id. */
  readonly held = new Map<number, SeenChain>();

  readonly #chains: ChainReader;
  /** Split: free-running indexes. Packed: positions, with wrap counters. */
  #avail = 0;
  #availWrap = 1;
  #used = 0;
  #usedWrap = 1;
  /** Ring slots (packed) or buffers (split) used since the last `callWanted`. */
  #uncalled = 0;

  constructor(options: ScriptedDeviceOptions) {
    const { region, addresses, size, features } = options;
    this.size = size;
    this.features = features;
    const base = (region.addressHigh >>> 0) * 2 ** 32 + (region.addressLow >>> 0);
    this.addresses = {
      descriptors: base + addresses.descriptors,
      driver: base + addresses.driver,
      device: base + addresses.device,
    };
    const map = new MemoryMap([{ region, guestAddress: base, userAddress: base, size: region.size }]);
    this.memory = new GuestMemory(map, 0);
    this.#chains = new ChainReader(this.memory, features, size);
  }

  /**
   * Takes up to `max` available chains, in order.
   * @throws Error when the driver exposed something that the specification forbids
   */
  take(max = Infinity): SeenChain[] {
    const taken: SeenChain[] = [];
    while (taken.length < max) {
      const chain = this.features.format === 'split' ? this.#nextSplit() : this.#nextPacked();
      if (chain === undefined) break;
      if (this.held.has(chain.id)) throw new Error(`buffer ${chain.id} is exposed twice`);
      this.held.set(chain.id, chain);
      taken.push(chain);
    }
    return taken;
  }

  /** Marks buffers used, in this order, and publishes them together. */
  use(...uses: readonly ScriptedUse[]): void {
    const writes = uses.map((use) => this.#prepare(use, 1, this.#slotsOf(use)));
    // The first goes last: until then a driver sees none of a packed burst. A split one sees nothing before the index.
    for (const write of writes.toReversed()) write();
    this.#publish();
  }

  /** IN_ORDER: one used entry, with the id of the last of `chains` and this length, stands for all of them. */
  useBatch(chains: readonly SeenChain[], length = 0): void {
    const last = chains[chains.length - 1];
    const slots = chains.reduce((sum, chain) => sum + chain.slots, 0);
    for (const { id } of chains) this.held.delete(id);
    this.#prepare({ id: last.id, length }, chains.length, slots)();
    this.#publish();
  }

  /** Whether the driver asked to be called for what was used since the last call. */
  callWanted(): boolean {
    const count = this.#uncalled;
    this.#uncalled = 0;
    if (count === 0) return false;
    const { memory, size } = this;
    const { driver } = this.addresses;
    if (this.features.format === 'split') {
      if (!this.features.eventIdx) return memory.u16(driver) === 0;
      const event = memory.u16(driver + 4 + 2 * size);
      return ((this.#used - 1 - event) & 0xffff) < count;
    }
    const event = memory.u16(driver);
    const flags = memory.u16(driver + 2);
    if (flags !== RING_EVENT_DESC) return flags === RING_EVENT_ENABLE;
    // Of the last `count` slots used, is one the descriptor of the event?
    for (let i = 1; i <= count; i++) {
      const lapsed = this.#used - i < 0;
      const slot = lapsed ? this.#used - i + size : this.#used - i;
      if (event === (slot | ((lapsed ? this.#usedWrap ^ 1 : this.#usedWrap) << 15))) return true;
    }
    return false;
  }

  /**
   * Tells the driver when this device wants to be kicked: for every buffer, for none, or (EVENT_IDX) when the driver
   * makes the buffer available that is `n` further on than the next one to take (packed: ring slots).
   */
  wantKicks(when: 'always' | 'never' | number): void {
    const { memory, size } = this;
    const { device } = this.addresses;
    if (this.features.format === 'split') {
      const event = device + 4 + 8 * size;
      if (typeof when === 'number') memory.setU16(event, this.#avail + when);
      else if (this.features.eventIdx) memory.setU16(event, this.#avail - (when === 'always' ? 0 : 1));
      else memory.setU16(device, when === 'always' ? 0 : 1);
    } else if (typeof when === 'number') {
      const slot = this.#avail + when;
      const lap = slot >= size ? 1 : 0;
      memory.setU16(device, (slot - lap * size) | ((this.#availWrap ^ lap) << 15));
      memory.setU16(device + 2, RING_EVENT_DESC);
    } else memory.setU16(device + 2, when === 'always' ? RING_EVENT_ENABLE : RING_EVENT_DISABLE);
  }

  /** Split: makes `used.idx` say anything. */
  setUsedIndex(index: number): void {
    this.memory.setU16(this.addresses.device + 2, index);
  }

  /** Split: overwrites the flags of the used ring. Packed: those of the device event structure. */
  setFlags(flags: number): void {
    this.memory.setU16(this.addresses.device + (this.features.format === 'split' ? 0 : 2), flags);
  }

  /** Fills everything a device can write, descriptors included, with bytes from `random`, which gives 0 to 255. */
  scramble(random: () => number): void {
    const { descriptors, driver, device } = this.addresses;
    const parts =
      this.features.format === 'split'
        ? [
            [descriptors, this.size * descriptorBytes],
            [driver, 6 + 2 * this.size],
            [device, 6 + 8 * this.size],
          ]
        : [
            [descriptors, this.size * descriptorBytes],
            [driver, 4],
            [device, 4],
          ];
    for (const [start, bytes] of parts) {
      for (let i = 0; i < bytes; i++) this.memory.setU8(start + i, random());
    }
  }

  #nextSplit(): SeenChain | undefined {
    const { descriptors, driver } = this.addresses;
    const ready = (this.memory.u16(driver + 2) - this.#avail) & 0xffff;
    if (ready > this.size) throw new Error(`avail.idx is ${ready} ahead in a ring of ${this.size}`);
    if (ready === 0) return undefined;
    const head = this.memory.u16(driver + 4 + 2 * (this.#avail % this.size));
    this.#avail = (this.#avail + 1) & 0xffff;
    const { list, buffers, table } = this.#chains.readSplit(descriptors, head);
    return { id: head, slots: list.length, list, buffers, table };
  }

  #nextPacked(): SeenChain | undefined {
    const list: SeenDescriptor[] = [];
    do {
      const descriptor = this.#chains.descriptor(this.addresses.descriptors, this.#avail);
      const available = this.#availWrap === 1 ? DESC_F_AVAIL : DESC_F_USED;
      if ((descriptor.flags & (DESC_F_AVAIL | DESC_F_USED)) !== available) {
        if (list.length === 0) return undefined;
        throw new Error(`descriptor ${this.#avail} of a list is not available`);
      }
      if (list.length === this.size) throw new Error('a list is longer than the ring');
      list.push(descriptor);
      if (++this.#avail === this.size) {
        this.#avail = 0;
        this.#availWrap ^= 1;
      }
    } while ((list[list.length - 1].flags & DESC_F_NEXT) !== 0);
    const { buffers, table } = this.#chains.resolve(list);
    return { id: list[list.length - 1].id, slots: list.length, list, buffers, table };
  }

  #slotsOf({ id, slots }: ScriptedUse): number {
    const held = this.held.get(id);
    this.held.delete(id);
    return slots ?? held?.slots ?? 1;
  }

  /** Moves on by so many buffers or slots. @returns what writes the entry */
  #prepare({ id, length = 0, flags = 0 }: ScriptedUse, buffers: number, slots: number): () => void {
    const { memory } = this;
    const at = this.#used;
    if (this.features.format === 'split') {
      const entry = this.addresses.device + 4 + 8 * (at % this.size);
      this.#used = (at + buffers) & 0xffff;
      this.#uncalled += buffers;
      return () => {
        memory.setU32(entry, id);
        memory.setU32(entry + 4, length);
      };
    }
    const bits = this.#usedWrap === 1 ? DESC_F_AVAIL | DESC_F_USED : 0;
    const written = length > 0 ? DESC_F_WRITE : 0;
    this.#used += slots;
    this.#uncalled += slots;
    if (this.#used >= this.size) {
      this.#used -= this.size;
      this.#usedWrap ^= 1;
    }
    const word3 = (id & 0xffff) | ((bits | written | flags) << 16);
    // The address of a used descriptor is unused (2.8.4): a device may leave anything there.
    return () =>
      memory.setDescriptor(
        this.addresses.descriptors + at * descriptorBytes,
        0xdead_beef_dead_beefn,
        length,
        word3,
      );
  }

  #publish(): void {
    if (this.features.format === 'split') this.setUsedIndex(this.#used);
  }
}
