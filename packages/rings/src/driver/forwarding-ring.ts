import type { ChainBurst } from '../device/chain-burst.ts';
import { DESC_F_NEXT, DESC_F_WRITE, descriptorBytes } from '../layout/descriptor.ts';
import { USED_F_NO_NOTIFY, splitLayout } from '../layout/split-layout.ts';
import type { MemoryMap } from '../memory/memory-map.ts';
import type { Region } from '../memory/region.ts';
import type { VringAddresses } from './driver-queue.ts';

const noEntry = 0xffff;

/**
 * The driver side of a plain split ring by which chains that came from elsewhere are handed on to a device, at the addresses
 * that their own driver gave them: buffers stay where they are. What the device says is used is checked against what it was
 * given; nonsense breaks the ring. Not for the hot path of packets that are copied anyway: it writes every descriptor.
 */
export class ForwardingRing {
  /** Descriptors, a power of two. */
  readonly size: number;
  /** Where the parts of the ring are: byte offsets in the region. */
  readonly addresses: VringAddresses;
  /** The device used what it was not given. */
  broken = false;
  /** Descriptors that are free. */
  free: number;
  /** What `take` has found: the token that `forward` was given. */
  token = 0;
  /** Bytes that the device says it has written to what `take` has found. */
  written = 0;
  readonly #region: Region;
  readonly #view: DataView;
  /** The free descriptors, one after the other; in this heap, as all that must be right. */
  readonly #next: Uint16Array;
  #first = 0;
  /** By head: what it was given for, and how many descriptors; 0: the device does not have it. */
  readonly #tokens: Int32Array;
  readonly #counts: Uint16Array;
  #made = 0;
  #used = 0;

  /** Bytes of a ring. */
  static bytes(size: number): number {
    return splitLayout(size).bytes;
  }

  /** @param region zeroed where the ring lies @param offset a multiple of 4096 @param size a power of two, at most 32768 */
  constructor(region: Region, offset: number, size: number) {
    const { descriptors, avail, used } = splitLayout(size);
    this.size = size;
    this.free = size;
    this.addresses = { descriptors: offset + descriptors, driver: offset + avail, device: offset + used };
    this.#region = region;
    this.#view = new DataView(region.u8.buffer, region.u8.byteOffset, region.size);
    this.#next = Uint16Array.from({ length: size }, (_, i) => (i === size - 1 ? noEntry : i + 1));
    this.#tokens = new Int32Array(size);
    this.#counts = new Uint16Array(size);
  }

  /**
   * Hands a chain on; `publish` tells the device.
   * @param memory where the chain's segments lie: their guest addresses are what the device is given
   * @returns false: there are not enough free descriptors
   */
  forward(memory: MemoryMap, chains: ChainBurst, i: number, token: number): boolean {
    const begin = chains.firstSegment[i];
    const end = chains.firstSegment[i + 1];
    const count = end - begin;
    if (count > this.free || count === 0) return false;
    const head = this.#first;
    const readableEnd = begin + chains.readable[i];
    for (let s = begin; s < end; s++) {
      const at = this.addresses.descriptors + this.#first * descriptorBytes;
      const address = memory.guestBase[chains.window[s]] + chains.offset[s];
      this.#view.setUint32(at, address >>> 0, true);
      this.#view.setUint32(at + 4, Math.floor(address / 0x1_0000_0000), true);
      this.#view.setUint32(at + 8, chains.length[s], true);
      const more = s < end - 1 ? DESC_F_NEXT : 0;
      this.#view.setUint16(at + 12, more | (s < readableEnd ? 0 : DESC_F_WRITE), true);
      const next = this.#next[this.#first];
      this.#view.setUint16(at + 14, more === 0 ? 0 : next, true);
      this.#first = next;
    }
    this.free -= count;
    this.#tokens[head] = token;
    this.#counts[head] = count;
    this.#region.u16[(this.addresses.driver >>> 1) + 2 + (this.#made & (this.size - 1))] = head;
    this.#made = (this.#made + 1) & 0xffff;
    return true;
  }

  /** Shows the device what was forwarded. @returns whether it wants to be kicked */
  publish(): boolean {
    const { u16 } = this.#region;
    const index = (this.addresses.driver >>> 1) + 1;
    if (u16[index] === this.#made) return false;
    // Sequentially consistent: seen before the flags are read.
    Atomics.store(u16, index, this.#made);
    return (Atomics.load(u16, this.addresses.device >>> 1) & USED_F_NO_NOTIFY) === 0;
  }

  /** Takes the next chain that the device has used, if any: `token` and `written` say which. */
  take(): boolean {
    const { u16 } = this.#region;
    const device = this.addresses.device;
    if (this.broken || Atomics.load(u16, (device >>> 1) + 1) === this.#used) return false;
    const entry = device + 4 + 8 * (this.#used & (this.size - 1));
    const head = this.#view.getUint32(entry, true);
    const count = head < this.size ? this.#counts[head] : 0;
    if (count === 0) {
      this.broken = true;
      return false;
    }
    this.token = this.#tokens[head];
    this.written = this.#view.getUint32(entry + 4, true) | 0;
    this.#used = (this.#used + 1) & 0xffff;
    this.#giveBack(head, count);
    return true;
  }

  /** The links between descriptors are read from this heap: the device may have written over those in the ring. */
  #giveBack(head: number, count: number): void {
    this.#counts[head] = 0;
    let last = head;
    for (let i = 1; i < count; i++) last = this.#next[last];
    this.#next[last] = this.#first;
    this.#first = head;
    this.free += count;
  }
}
