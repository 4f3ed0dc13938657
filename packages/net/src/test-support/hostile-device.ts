import {
  type BufferPool,
  type DriverQueue,
  type Region,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import type { Random } from '@vio/rings/testing';
import * as net from '../feature-bits.ts';
import type { FrameRules } from '../frames/frame-rules.ts';

/** A queue pair, and what is behind it. */
export interface Setup {
  readonly features: bigint;
  readonly size: number;
  readonly buffers: number;
  /** Whether a kernel plays beside its twin in TypeScript; otherwise who plays. */
  readonly compares: boolean;
  readonly native: boolean;
  readonly rules: FrameRules;
}

const offloads =
  net.VIRTIO_NET_F_GUEST_CSUM |
  net.VIRTIO_NET_F_GUEST_TSO4 |
  net.VIRTIO_NET_F_GUEST_TSO6 |
  net.VIRTIO_NET_F_CSUM |
  net.VIRTIO_NET_F_HOST_TSO4;

export function randomSetup(random: Random): Setup {
  const packed = random.chance(0.5);
  const some = (p: number, bit: bigint): bigint => (random.chance(p) ? bit : 0n);
  const ring = (packed ? VIRTIO_F_RING_PACKED : 0n) | some(0.5, VIRTIO_F_IN_ORDER);
  const modern = ring === 0n ? some(0.6, VIRTIO_F_VERSION_1) : VIRTIO_F_VERSION_1;
  const features =
    ring |
    modern |
    some(0.4, VIRTIO_F_INDIRECT_DESC) |
    some(0.5, VIRTIO_F_EVENT_IDX) |
    some(0.5, net.VIRTIO_NET_F_MRG_RXBUF) |
    some(0.4, offloads) |
    (modern === 0n ? 0n : some(0.2, net.VIRTIO_NET_F_HASH_REPORT));
  return {
    features,
    size: random.pick(packed ? [1, 2, 3, 8, 17, 32, 64] : [1, 2, 4, 8, 32, 64]),
    buffers: random.pick([8, 64, 128]),
    compares: random.chance(0.5),
    native: random.chance(0.5),
    rules: random.chance(0.2) ? { vlanStrip: true, vlanInsert: true, mtu: 600 } : {},
  };
}

/** Lengths around what headers and buffers of 512 bytes are. */
const lengths = [0, 9, 10, 11, 12, 13, 19, 20, 21, 64, 100, 500, 511, 512, 522, 524, 525, 532, 533];
/** Bytes that mean something in a header or a frame. */
const telling = [0, 1, 2, 4, 0x81, 0x88, 0xa8, 8, 0x45, 0x60, 0x86, 0xdd, 6, 17, 255];
/** Ways of lying; from here on a device is honest. */
const honest = 24;

/** A device that writes what it likes into its part of the rings, the same into each of the regions. */
export class HostileDevice {
  readonly #random: Random;
  readonly #regions: readonly Region[];
  readonly #setup: Setup;

  constructor(random: Random, regions: readonly Region[], setup: Setup) {
    this.#random = random;
    this.#regions = regions;
    this.#setup = setup;
  }

  /** Uses buffers, or something that is none. @param receives it has to write into them */
  use(queue: DriverQueue, receives: boolean): void {
    const random = this.#random;
    const lie = random.below(honest + 40);
    const held = queue.held();
    const count = Math.min(held.length, 1 + random.below(6));
    if (queue.format === 'packed') this.#usePacked(queue, held, count, lie, receives);
    else this.#useSplit(queue, held, count, lie);
    if (random.chance(0.1)) this.#set16(queue.addresses.device + 2 * random.below(2), random.u32());
  }

  /** Writes headers and frames: into the headroom of buffers and the first bytes of their data. */
  scribble(pool: BufferPool): void {
    const random = this.#random;
    const headers = 20;
    for (let i = random.below(4); i > 0; i--) {
      const data = pool.dataBase + random.below(pool.capacity) * pool.stride;
      for (let k = -headers; k < 40; k++) {
        this.#set8(data + k, random.chance(0.3) ? random.u32() : random.pick(telling));
      }
      // num_buffers, of headers of 12 and of 20 bytes.
      for (const place of [data - 2, data - 10]) if (random.chance(0.8)) this.#set16(place, random.below(4));
      // Mostly no offload.
      for (const place of [data - 12, data - 20]) if (random.chance(0.5)) this.#set16(place, 0);
    }
  }

  #usePacked(queue: DriverQueue, held: number[], count: number, lie: number, receives: boolean): void {
    const random = this.#random;
    const { size } = this.#setup;
    const { descriptors } = queue.addresses;
    const base = queue.base();
    let slot = base & 0x7fff;
    let wrap = (base >>> 15) & 1;
    const order = held.slice();
    for (let i = 0; i < count; i++) {
      const [id] = order.splice(queue.inOrder ? 0 : random.below(order.length), 1);
      let said = id;
      let flags = (wrap === 1 ? 0x8080 : 0) | (receives ? 2 : 0);
      if (lie === 0) said = random.u32() & 0xffff;
      else if (lie === 1) said = random.below(size + 1);
      else if (lie === 2) flags ^= random.pick([0x80, 0x8000, 0x8080, 4, 1, 2]);
      else if (lie === 3) said = held[0];
      else if (lie === 5) said = order[Math.min(order.length - 1, 2)] ?? id;
      const place = descriptors + 16 * slot;
      this.#set32(place + 8, this.#length());
      this.#set32(place + 12, said | (flags << 16));
      if (lie === 4) for (let b = 0; b < 16; b++) this.#set8(place + b, random.u32());
      if (++slot === size) {
        slot = 0;
        wrap ^= 1;
      }
    }
  }

  #useSplit(queue: DriverQueue, held: number[], count: number, lie: number): void {
    const random = this.#random;
    const { size } = this.#setup;
    const { descriptors, device } = queue.addresses;
    let index = this.#regions[0].u16[(device >>> 1) + 1];
    const order = held.slice();
    for (let i = 0; i < count; i++) {
      const [id] = order.splice(queue.inOrder ? 0 : random.below(order.length), 1);
      let said = id;
      if (lie === 0) said = random.u32();
      else if (lie === 1) said = random.below(size + 1);
      else if (lie === 2) said = held[0];
      else if (lie === 3) said = order[Math.min(order.length - 1, 2)] ?? id;
      const entry = device + 4 + 8 * (index % size);
      this.#set32(entry, said);
      this.#set32(entry + 4, this.#length());
      index++;
    }
    if (lie === 4) index = random.u32();
    else if (lie === 5) index += random.below(4);
    else if (lie === 6) index--;
    this.#set16(device + 2, index);
    if (lie === 7) this.#set8(device + random.below(6 + 8 * size), random.u32());
    if (lie === 8) this.#set8(descriptors + random.below(16 * size), random.u32());
  }

  #length(): number {
    return this.#random.chance(0.97) ? this.#random.pick(lengths) : this.#random.u32();
  }

  #set8(place: number, value: number): void {
    for (const { u8 } of this.#regions) u8[place] = value;
  }

  #set16(place: number, value: number): void {
    for (const { u16 } of this.#regions) u16[place >>> 1] = value;
  }

  #set32(place: number, value: number): void {
    for (const { i32 } of this.#regions) i32[place >>> 2] = value;
  }
}
