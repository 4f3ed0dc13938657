import type { RingFeatures } from '../format.ts';
import {
  DESC_F_AVAIL,
  DESC_F_NEXT,
  DESC_F_USED,
  DESC_F_WRITE,
  descriptorBytes,
} from '../layout/descriptor.ts';
import { RING_EVENT_DISABLE, packedLayout } from '../layout/packed-layout.ts';
import { checkRingSize } from '../layout/ring-size.ts';
import { AVAIL_F_NO_INTERRUPT, splitLayout } from '../layout/split-layout.ts';
import type { Region } from '../memory/region.ts';
import type { VringAddresses } from './driver-queue.ts';

/** A piece of a command in the region. The pieces the device writes come last. */
export interface CommandPart {
  /** Byte offset in the region. */
  readonly offset: number;
  /** Bytes, at least 1. */
  readonly length: number;
  /** The device writes this part; else it reads it. */
  readonly deviceWrites: boolean;
}

/** `waiting`: the device has it; `done`: it is used; `broken`: the device used what nobody made available. */
export type CommandState = 'idle' | 'waiting' | 'done' | 'broken';

/**
 * The driver side of a virtqueue for commands that have an answer, as a control queue: one at a time, each of a few
 * pieces of which the device reads the first and writes the last. For the control plane: it polls, and it allocates.
 */
export interface CommandQueue {
  /** Descriptors. */
  readonly size: number;
  /** Where the parts of the ring are: byte offsets in the region. */
  readonly addresses: VringAddresses;
  /** Makes a command available, unless the device broke the queue meanwhile; it is to be kicked then. @throws RangeError while another one waits */
  submit(parts: readonly CommandPart[]): void;
  /** What has become of it. */
  poll(): CommandState;
  /** What a backend is told to begin at, before the first command. */
  readonly base: number;
  /** Where the next command will go, as `DriverQueue.nextAvailable` says it. */
  nextAvailable(): number;
}

/** Where a command queue lives; fixed for its life. `driverQueueBytes` of the region are used. */
export interface CommandQueueOptions {
  /** The memory of the ring. */
  readonly region: Region;
  /** Byte offset, a multiple of 4096. The memory is all zero. */
  readonly offset: number;
  /** Descriptors, at least as many as a command has pieces. */
  readonly size: number;
  /** What was negotiated for the ring. */
  readonly features: RingFeatures;
  /** The address by which the device knows offset 0 of the region. */
  readonly address: number;
}

/** @throws VioError VIO_RING_SIZE */
export function createCommandQueue(options: CommandQueueOptions): CommandQueue {
  checkRingSize(options.features, options.size);
  return options.features.format === 'packed' ? new PackedCommands(options) : new SplitCommands(options);
}

/** What both formats have: descriptors of 16 bytes with the address in the first 8 and the length behind it. */
abstract class Commands {
  readonly size: number;
  protected readonly region: Region;
  protected readonly offset: number;
  protected state: CommandState = 'idle';
  readonly #view: DataView;
  readonly #address: bigint;

  constructor({ region, offset, size, address }: CommandQueueOptions) {
    this.size = size;
    this.region = region;
    this.offset = offset;
    this.#view = new DataView(region.u8.buffer, region.u8.byteOffset, region.size);
    this.#address = BigInt(address);
  }

  protected begin(parts: readonly CommandPart[]): void {
    if (this.state === 'waiting') throw new RangeError('a command is submitted after the answer to the last');
    if (parts.length === 0 || parts.length > this.size) {
      throw new RangeError(`a command of ${parts.length} pieces does not fit ${this.size} descriptors`);
    }
    this.state = 'waiting';
  }

  /** @returns byte offset of the last two fields, which the formats lay out in their own ways */
  protected describe(slot: number, { offset, length }: CommandPart): number {
    const at = this.offset + slot * descriptorBytes;
    this.#view.setBigUint64(at, this.#address + BigInt(offset), true);
    this.#view.setUint32(at + 8, length, true);
    return at + 12;
  }
}

/** virtio 1.4, section 2.7: flags and next in a descriptor, heads in the avail ring, counts in both rings. */
class SplitCommands extends Commands implements CommandQueue {
  readonly base = 0;
  readonly addresses: VringAddresses;
  #next = 0;
  #count = 0;

  constructor(options: CommandQueueOptions) {
    super(options);
    const { descriptors, avail, used } = splitLayout(options.size);
    const { offset, region } = options;
    this.addresses = { descriptors: offset + descriptors, driver: offset + avail, device: offset + used };
    region.u16[this.addresses.driver >>> 1] = AVAIL_F_NO_INTERRUPT;
  }

  submit(parts: readonly CommandPart[]): void {
    this.begin(parts);
    const { u16 } = this.region;
    if (this.#used() !== this.#count) {
      // It has used a command before there was one.
      this.state = 'broken';
      return;
    }
    const head = this.#next;
    for (const [i, part] of parts.entries()) {
      const slot = this.#next;
      this.#next = (slot + 1) % this.size;
      const at = this.describe(slot, part) >>> 1;
      u16[at] = (part.deviceWrites ? DESC_F_WRITE : 0) | (i < parts.length - 1 ? DESC_F_NEXT : 0);
      u16[at + 1] = this.#next;
    }
    const avail = this.addresses.driver >>> 1;
    u16[avail + 2 + (this.#count % this.size)] = head;
    this.#count = (this.#count + 1) & 0xffff;
    Atomics.store(u16, avail + 1, this.#count);
  }

  nextAvailable(): number {
    return this.#count;
  }

  poll(): CommandState {
    if (this.state !== 'waiting') return this.state;
    const used = this.#used();
    if (used === this.#count) this.state = 'done';
    else if (used !== ((this.#count - 1) & 0xffff)) this.state = 'broken';
    return this.state;
  }

  #used(): number {
    return Atomics.load(this.region.u16, (this.addresses.device >>> 1) + 1);
  }
}

/** virtio 1.4, section 2.8: id and flags in a descriptor, availability by flags that turn with the ring. */
class PackedCommands extends Commands implements CommandQueue {
  readonly base = 0x8000_8000;
  readonly addresses: VringAddresses;
  #next = 0;
  #wrap = true;
  #slots = 0;

  constructor(options: CommandQueueOptions) {
    super(options);
    const { descriptors, driverEvent, deviceEvent } = packedLayout(options.size);
    const { offset, region } = options;
    this.addresses = {
      descriptors: offset + descriptors,
      driver: offset + driverEvent,
      device: offset + deviceEvent,
    };
    region.u16[(this.addresses.driver >>> 1) + 1] = RING_EVENT_DISABLE;
  }

  submit(parts: readonly CommandPart[]): void {
    this.begin(parts);
    this.#slots = parts.length;
    const words = parts.map((part, i) => {
      const slot = this.#next + i;
      const at = this.describe(slot % this.size, part) >>> 2;
      const available = this.#wrap === slot < this.size ? DESC_F_AVAIL : DESC_F_USED;
      const next = i < parts.length - 1 ? DESC_F_NEXT : 0;
      const flags = available | next | (part.deviceWrites ? DESC_F_WRITE : 0);
      return { at, word: this.#next | (flags << 16) };
    });
    // The head last: with it the device may look at all of them.
    for (const { at, word } of words.toReversed()) Atomics.store(this.region.i32, at, word);
  }

  nextAvailable(): number {
    const next = this.state === 'waiting' ? this.#next + this.#slots : this.#next;
    const wrapped = next >= this.size;
    return (wrapped ? next - this.size : next) | (this.#wrap === wrapped ? 0 : 0x8000);
  }

  poll(): CommandState {
    if (this.state !== 'waiting') return this.state;
    const at = (this.offset + this.#next * descriptorBytes + 12) >>> 2;
    const flags = Atomics.load(this.region.i32, at) >>> 16;
    const used = this.#wrap ? DESC_F_AVAIL | DESC_F_USED : 0;
    if ((flags & (DESC_F_AVAIL | DESC_F_USED)) !== used) return this.state;
    this.#next += this.#slots;
    if (this.#next >= this.size) {
      this.#next -= this.size;
      this.#wrap = !this.#wrap;
    }
    this.state = 'done';
    return this.state;
  }
}
