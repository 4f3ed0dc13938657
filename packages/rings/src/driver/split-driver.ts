import { type VectorKernel, createVectorKernel, vectorJob } from '@vio/native';
import { needEvent } from '../event-index.ts';
import type { QueueFault } from '../fault.ts';
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, descriptorBytes } from '../layout/descriptor.ts';
import { AVAIL_F_NO_INTERRUPT, USED_F_NO_NOTIFY, splitLayout } from '../layout/split-layout.ts';
import type { BufferPool } from '../memory/buffer-pool.ts';
import type { Region } from '../memory/region.ts';
import type { DriverQueueOptions, VringAddresses } from './driver-queue.ts';
import { fillHighWords } from './high-words.ts';
import { IndirectTables } from './indirect-tables.ts';
import type { LendingDriver } from './vector-driver.ts';

/**
 * The driver side of a split virtqueue whose buffers come back in any order (virtio 1.4, section 2.7).
 *
 * Descriptor ids wait in a FIFO: with a device that uses buffers in order, the same ids meet the same avail slots
 * round after round, nothing that is written changes, and the ring's cache lines stay shared between the two cores.
 */
export class SplitDriver implements LendingDriver {
  readonly format = 'split';
  readonly inOrder = false;
  readonly size: number;
  readonly addresses: VringAddresses;
  outstanding = 0;
  broken: QueueFault | null = null;

  readonly #region: Region;
  readonly #i32: Int32Array;
  readonly #u16: Uint16Array;
  /** Where the region begins for the device, lower half. */
  readonly #addressLow: number;
  readonly #mask: number;
  readonly #eventIdx: boolean;
  readonly #deviceWrites: boolean;
  readonly #separatePrefix: boolean;
  readonly #tables: IndirectTables | null;
  /** Positions as indexes of the typed arrays: words of descriptors and used ring, halves of avail. */
  readonly #desc: number;
  readonly #avail: number;
  readonly #usedHalf: number;
  readonly #usedRing: number;

  /** Ids not in use, a ring: #idHead is the next to take, #idTail the next to fill. */
  readonly #ids: Uint16Array;
  #idHead = 0;
  #idTail: number;
  /** By head id: the caller's token (-1: not outstanding), and the number of descriptors behind the head. */
  readonly #token: Int32Array;
  readonly #followers: Uint16Array;
  /** By id: the following id of a direct chain. The ring's own `next` could be anything by now. */
  readonly #next: Uint16Array;

  #availIdx = 0;
  #lastUsed = 0;
  #kickedIdx = 0;

  constructor(options: DriverQueueOptions) {
    const { region, offset, size, features } = options;
    const layout = splitLayout(size);
    this.size = size;
    this.addresses = {
      descriptors: offset + layout.descriptors,
      driver: offset + layout.avail,
      device: offset + layout.used,
    };
    this.#region = region;
    this.#i32 = region.i32;
    this.#u16 = region.u16;
    this.#addressLow = region.addressLow;
    this.#mask = size - 1;
    this.#eventIdx = features.eventIdx;
    this.#deviceWrites = options.deviceWrites;
    this.#separatePrefix = options.separatePrefix ?? false;
    this.#desc = this.addresses.descriptors >>> 2;
    this.#avail = this.addresses.driver >>> 1;
    this.#usedHalf = this.addresses.device >>> 1;
    this.#usedRing = (this.addresses.device >>> 2) + 1;
    this.#ids = Uint16Array.from({ length: size }, (_, i) => i);
    this.#idTail = size;
    this.#token = new Int32Array(size).fill(-1);
    this.#followers = new Uint16Array(size);
    this.#next = new Uint16Array(size);
    if (options.prepared !== true) {
      region.u8.fill(0, offset, offset + layout.bytes);
      fillHighWords(region, this.#desc, size);
    }
    const tables = offset + ((layout.bytes + 15) & ~15);
    this.#tables = features.indirect
      ? new IndirectTables(region, tables, options.indirectEntries ?? 8, size, true)
      : null;
    this.disarmInterrupt();
  }

  get free(): number {
    return this.#idTail - this.#idHead;
  }

  add(
    token: Int32Array,
    offset: Int32Array,
    length: Int32Array,
    from: number,
    count: number,
    prefix: number,
  ): number {
    if (this.broken !== null) return 0;
    const free = this.#idTail - this.#idHead;
    const n = count < free ? count : free;
    if (n <= 0) return 0;
    const i32 = this.#i32;
    const u16 = this.#u16;
    const mask = this.#mask;
    const desc = this.#desc;
    const ring = this.#avail + 2;
    const ids = this.#ids;
    const tokens = this.#token;
    const flags = this.#deviceWrites ? DESC_F_WRITE : 0;
    let idHead = this.#idHead;
    let avail = this.#availIdx;
    const shift = (this.#addressLow - prefix) | 0;
    const end = from + n;
    for (let i = from; i < end; i++) {
      const id = ids[idHead++ & mask];
      const d = desc + (id << 2);
      const address = (offset[i] + shift) | 0;
      const bytes = length[i] + prefix;
      if (i32[d] !== address) i32[d] = address;
      if (i32[d + 2] !== bytes) i32[d + 2] = bytes;
      if (i32[d + 3] !== flags) i32[d + 3] = flags;
      const slot = ring + (avail++ & mask);
      if (u16[slot] !== id) u16[slot] = id;
      tokens[id] = token[i];
    }
    this.#idHead = idHead;
    this.outstanding += n;
    this.#publish(avail);
    return n;
  }

  addBuffers(
    token: Int32Array,
    from: number,
    count: number,
    base: number,
    stride: number,
    bytes: number,
  ): number {
    if (this.broken !== null) return 0;
    const free = this.#idTail - this.#idHead;
    const n = count < free ? count : free;
    if (n <= 0) return 0;
    const i32 = this.#i32;
    const u16 = this.#u16;
    const mask = this.#mask;
    const desc = this.#desc;
    const ring = this.#avail + 2;
    const ids = this.#ids;
    const tokens = this.#token;
    const flags = this.#deviceWrites ? DESC_F_WRITE : 0;
    let idHead = this.#idHead;
    let avail = this.#availIdx;
    const start = (base + this.#addressLow) | 0;
    const end = from + n;
    for (let i = from; i < end; i++) {
      const buffer = token[i];
      const id = ids[idHead++ & mask];
      const d = desc + (id << 2);
      const address = (start + Math.imul(buffer, stride)) | 0;
      if (i32[d] !== address) i32[d] = address;
      if (i32[d + 2] !== bytes) i32[d + 2] = bytes;
      if (i32[d + 3] !== flags) i32[d + 3] = flags;
      const slot = ring + (avail++ & mask);
      if (u16[slot] !== id) u16[slot] = id;
      tokens[id] = buffer;
    }
    this.#idHead = idHead;
    this.outstanding += n;
    this.#publish(avail);
    return n;
  }

  addChains(
    buffer: Int32Array,
    segments: Int32Array,
    pool: BufferPool,
    from: number,
    count: number,
    prefix: number,
  ): number {
    if (this.broken !== null) return 0;
    const ring = this.#avail + 2;
    let avail = this.#availIdx;
    let n = 0;
    for (; n < count; n++) {
      const head = buffer[from + n];
      const needed = segments[from + n] + (this.#separatePrefix ? 1 : 0);
      const tables = this.#tables;
      const indirect = tables !== null && needed > 1 && needed <= tables.limit;
      if ((indirect ? 1 : needed) > this.free) break;
      const id = this.#ids[this.#idHead & this.#mask];
      if (indirect) this.#writeIndirect(tables, head, pool, prefix);
      else this.#writeDirect(head, needed, pool, prefix);
      const slot = ring + (avail++ & this.#mask);
      if (this.#u16[slot] !== id) this.#u16[slot] = id;
      this.#token[id] = head;
      this.#followers[id] = indirect ? 0 : needed - 1;
    }
    if (n === 0) return 0;
    this.outstanding += n;
    this.#publish(avail);
    return n;
  }

  reap(token: Int32Array, length: Int32Array | null, from: number, max: number): number {
    if (this.broken !== null) return 0;
    const last = this.#lastUsed;
    const used = Atomics.load(this.#u16, this.#usedHalf + 1);
    const ready = (used - last) & 0xffff;
    if (ready === 0) return 0;
    if (ready > this.outstanding) {
      return this.#break(
        'USED_INDEX_JUMPED',
        `used.idx moved by ${ready}, ${this.outstanding} buffers were outstanding`,
      );
    }
    const n = ready < max ? ready : max;
    const i32 = this.#i32;
    const mask = this.#mask;
    const ring = this.#usedRing;
    const ids = this.#ids;
    const followers = this.#followers;
    const tokens = this.#token;
    const size = this.size;
    let idTail = this.#idTail;
    for (let i = 0; i < n; i++) {
      const entry = ring + (((last + i) & mask) << 1);
      const id = i32[entry];
      const own = id >= 0 && id < size ? tokens[id] : -1;
      if (own < 0) {
        this.#idTail = idTail;
        this.#took(i);
        this.#break('USED_ID_INVALID', `the device used id ${id >>> 0}, which is not outstanding`);
        return i;
      }
      token[from + i] = own;
      tokens[id] = -1;
      if (length !== null) length[from + i] = i32[entry + 1];
      ids[idTail++ & mask] = id;
      if (followers[id] !== 0) idTail = this.#freeFollowers(id, idTail);
    }
    this.#idTail = idTail;
    this.#took(n);
    return n;
  }

  kernel(): VectorKernel {
    const notes = { token: this.#token, ids: this.#ids, followers: this.#followers, exposed: null };
    return createVectorKernel({ memory: this.#region.u8, ...notes }, (job) => {
      job[vectorJob.packed] = 0;
      job[vectorJob.size] = this.size;
      job[vectorJob.deviceWrites] = this.#deviceWrites ? 1 : 0;
      job[vectorJob.addressLow] = this.#addressLow;
      job[vectorJob.descAt] = this.addresses.descriptors;
      job[vectorJob.availAt] = this.addresses.driver;
      job[vectorJob.usedAt] = this.addresses.device;
    });
  }

  lend(job: Int32Array): void {
    job[vectorJob.availNext] = this.#availIdx;
    job[vectorJob.usedNext] = this.#lastUsed;
    job[vectorJob.idHead] = this.#idHead;
    job[vectorJob.idTail] = this.#idTail;
    job[vectorJob.free] = this.#idTail - this.#idHead;
    job[vectorJob.outstanding] = this.outstanding;
  }

  takeBackAdded(job: Int32Array, count: number): void {
    this.#availIdx = job[vectorJob.availNext];
    this.#idHead = job[vectorJob.idHead];
    this.outstanding += count;
  }

  takeBackReaped(job: Int32Array, count: number): void {
    this.#idTail = job[vectorJob.idTail];
    if (count > 0) this.#took(count);
  }

  kickNeeded(): boolean {
    const old = this.#kickedIdx;
    const next = this.#availIdx;
    if (((next - old) & 0xffff) === 0 || this.broken !== null) return false;
    this.#kickedIdx = next;
    // avail.idx was stored with sequential consistency, so this load cannot pass it.
    if (this.#eventIdx) {
      const event = Atomics.load(this.#u16, this.#usedHalf + 2 + 4 * this.size);
      return needEvent(event, next & 0xffff, old & 0xffff);
    }
    return (Atomics.load(this.#u16, this.#usedHalf) & USED_F_NO_NOTIFY) === 0;
  }

  armInterrupt(): boolean {
    if (this.#eventIdx) Atomics.store(this.#u16, this.#avail + 2 + this.size, this.#lastUsed & 0xffff);
    else Atomics.store(this.#u16, this.#avail, 0);
    const used = Atomics.load(this.#u16, this.#usedHalf + 1);
    return this.broken === null && used !== (this.#lastUsed & 0xffff);
  }

  disarmInterrupt(): void {
    // With EVENT_IDX flags stay 0 (2.7.7.1): silence is an event index that was just passed.
    if (this.#eventIdx) this.#u16[this.#avail + 2 + this.size] = (this.#lastUsed - 1) & 0xffff;
    else this.#u16[this.#avail] = AVAIL_F_NO_INTERRUPT;
  }

  nextAvailable(): number {
    return this.#availIdx;
  }

  base(): number {
    const used = Atomics.load(this.#u16, this.#usedHalf + 1);
    const sound = this.broken === null && ((used - this.#lastUsed) & 0xffff) <= this.outstanding;
    return sound ? used : this.#lastUsed & 0xffff;
  }

  held(): number[] {
    return Array.from(this.#token.keys()).filter((id) => this.#token[id] >= 0);
  }

  reclaim(token: Int32Array): number {
    let n = 0;
    for (let id = 0; id < this.size; id++) {
      if (this.#token[id] < 0) continue;
      token[n++] = this.#token[id];
      this.#token[id] = -1;
      this.#ids[this.#idTail++ & this.#mask] = id;
      this.#idTail = this.#freeFollowers(id, this.#idTail);
    }
    this.outstanding = 0;
    return n;
  }

  /** Frees the descriptors behind the head of a direct chain. @returns the tail of the ring of free ids */
  #freeFollowers(head: number, idTail: number): number {
    let follower = head;
    for (let left = this.#followers[head]; left > 0; left--) {
      follower = this.#next[follower];
      this.#ids[idTail++ & this.#mask] = follower;
    }
    this.#followers[head] = 0;
    return idTail;
  }

  #writeDirect(head: number, needed: number, pool: BufferPool, prefix: number): void {
    const flags = this.#deviceWrites ? DESC_F_WRITE : 0;
    let id = this.#ids[this.#idHead++ & this.#mask];
    let left = needed;
    let lead = prefix;
    if (this.#separatePrefix) {
      id = this.#link(id, pool.dataOffset[head] - prefix, prefix, flags, --left);
      lead = 0;
    }
    for (let b = head; left > 0; b = pool.next[b]) {
      id = this.#link(id, pool.dataOffset[b] - lead, pool.dataLength[b] + lead, flags, --left);
      lead = 0;
    }
  }

  /** Writes one descriptor of a chain; with more to come, takes the id of the next and returns it. */
  #link(id: number, address: number, bytes: number, flags: number, left: number): number {
    const i32 = this.#i32;
    const d = this.#desc + (id << 2);
    const following = left > 0 ? this.#ids[this.#idHead++ & this.#mask] : 0;
    i32[d] = (address + this.#addressLow) | 0;
    i32[d + 2] = bytes;
    i32[d + 3] = left > 0 ? flags | DESC_F_NEXT | (following << 16) : flags;
    if (left > 0) this.#next[id] = following;
    return following;
  }

  #writeIndirect(tables: IndirectTables, head: number, pool: BufferPool, prefix: number): void {
    const id = this.#ids[this.#idHead++ & this.#mask];
    const entries = tables.write(id, head, pool, prefix, this.#separatePrefix, this.#deviceWrites);
    const d = this.#desc + (id << 2);
    this.#i32[d] = (tables.at(id) + this.#addressLow) | 0;
    this.#i32[d + 2] = entries * descriptorBytes;
    this.#i32[d + 3] = DESC_F_INDIRECT;
  }

  /** One release for the burst. It is sequentially consistent, so `kickNeeded` may load right after it. */
  #publish(avail: number): void {
    this.#availIdx = avail & 0xffff;
    Atomics.store(this.#u16, this.#avail + 1, avail & 0xffff);
  }

  #took(n: number): void {
    this.#lastUsed = (this.#lastUsed + n) & 0xffff;
    this.outstanding -= n;
    // The id counters only matter modulo the ring size: keep them small integers.
    if (this.#idHead > 0x3fff_0000) {
      this.#idHead -= 0x3f00_0000;
      this.#idTail -= 0x3f00_0000;
    }
  }

  #break(code: QueueFault['code'], detail: string): 0 {
    this.broken = { code, detail };
    return 0;
  }
}
