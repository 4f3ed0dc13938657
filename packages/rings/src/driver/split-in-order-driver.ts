import { needEvent } from '../event-index.ts';
import type { QueueFault } from '../fault.ts';
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, descriptorBytes } from '../layout/descriptor.ts';
import { AVAIL_F_NO_INTERRUPT, USED_F_NO_NOTIFY, splitLayout } from '../layout/split-layout.ts';
import type { BufferPool } from '../memory/buffer-pool.ts';
import type { DriverQueue, DriverQueueOptions, VringAddresses } from './driver-queue.ts';
import { fillHighWords } from './high-words.ts';
import { IndirectTables } from './indirect-tables.ts';

/**
 * The driver side of a split virtqueue with IN_ORDER (virtio 1.4, sections 2.7.9 and 2.7.5.2): descriptors are taken
 * in ring order, so there is no list of free ids, and the avail ring of single-descriptor buffers never changes.
 *
 * The device may write one used entry for a whole batch: it carries the head of the batch's last buffer, and used.idx
 * moves by the batch. Of the skipped buffers no length is known; those for writing count as completely written.
 */
export class SplitInOrderDriver implements DriverQueue {
  readonly format = 'split';
  readonly inOrder = true;
  readonly size: number;
  readonly addresses: VringAddresses;
  broken: QueueFault | null = null;

  readonly #i32: Int32Array;
  readonly #u16: Uint16Array;
  /** Where the region begins for the device, lower half. */
  readonly #addressLow: number;
  readonly #mask: number;
  readonly #eventIdx: boolean;
  readonly #deviceWrites: boolean;
  readonly #separatePrefix: boolean;
  readonly #tables: IndirectTables | null;
  readonly #desc: number;
  readonly #avail: number;
  readonly #usedHalf: number;
  readonly #usedRing: number;

  /** By avail slot, what was exposed there: the caller's token, head descriptor, and bytes if the device writes. */
  readonly #token: Int32Array;
  readonly #head: Uint16Array;
  readonly #exposed: Int32Array | null;

  /** Free-running 16-bit counters: buffers made available, buffers taken back, and the index of the last kick. */
  #availIdx = 0;
  #lastUsed = 0;
  #kickedIdx = 0;
  #nextDesc = 0;
  #free: number;
  /** A batch the device reported with one entry and `reap` has not finished: its end and the last length. */
  #batchEnd = -1;
  #batchLength = 0;

  constructor(options: DriverQueueOptions) {
    const { region, offset, size, features } = options;
    const layout = splitLayout(size);
    this.size = size;
    this.addresses = {
      descriptors: offset + layout.descriptors,
      driver: offset + layout.avail,
      device: offset + layout.used,
    };
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
    this.#free = size;
    this.#token = new Int32Array(size);
    this.#head = new Uint16Array(size);
    this.#exposed = options.deviceWrites ? new Int32Array(size) : null;
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
    return this.#free;
  }

  get outstanding(): number {
    return (this.#availIdx - this.#lastUsed) & 0xffff;
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
    const n = count < this.#free ? count : this.#free;
    if (n <= 0) return 0;
    const i32 = this.#i32;
    const u16 = this.#u16;
    const mask = this.#mask;
    const desc = this.#desc;
    const ring = this.#avail + 2;
    const tokens = this.#token;
    const heads = this.#head;
    const exposed = this.#exposed;
    const flags = this.#deviceWrites ? DESC_F_WRITE : 0;
    let next = this.#nextDesc;
    let avail = this.#availIdx;
    const shift = (this.#addressLow - prefix) | 0;
    const end = from + n;
    for (let i = from; i < end; i++) {
      const d = desc + (next << 2);
      const address = (offset[i] + shift) | 0;
      const bytes = length[i] + prefix;
      if (i32[d] !== address) i32[d] = address;
      if (i32[d + 2] !== bytes) i32[d + 2] = bytes;
      if (i32[d + 3] !== flags) i32[d + 3] = flags;
      const slot = avail++ & mask;
      if (u16[ring + slot] !== next) u16[ring + slot] = next;
      tokens[slot] = token[i];
      heads[slot] = next;
      if (exposed !== null) exposed[slot] = bytes;
      next = (next + 1) & mask;
    }
    this.#nextDesc = next;
    this.#free -= n;
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
    const n = count < this.#free ? count : this.#free;
    if (n <= 0) return 0;
    const i32 = this.#i32;
    const u16 = this.#u16;
    const mask = this.#mask;
    const desc = this.#desc;
    const ring = this.#avail + 2;
    const tokens = this.#token;
    const heads = this.#head;
    const exposed = this.#exposed;
    const flags = this.#deviceWrites ? DESC_F_WRITE : 0;
    let next = this.#nextDesc;
    let avail = this.#availIdx;
    const start = (base + this.#addressLow) | 0;
    const end = from + n;
    for (let i = from; i < end; i++) {
      const buffer = token[i];
      const d = desc + (next << 2);
      const address = (start + Math.imul(buffer, stride)) | 0;
      if (i32[d] !== address) i32[d] = address;
      if (i32[d + 2] !== bytes) i32[d + 2] = bytes;
      if (i32[d + 3] !== flags) i32[d + 3] = flags;
      const slot = avail++ & mask;
      if (u16[ring + slot] !== next) u16[ring + slot] = next;
      tokens[slot] = buffer;
      heads[slot] = next;
      if (exposed !== null) exposed[slot] = bytes;
      next = (next + 1) & mask;
    }
    this.#nextDesc = next;
    this.#free -= n;
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
    let avail = this.#availIdx;
    let n = 0;
    for (; n < count; n++) {
      const head = buffer[from + n];
      const needed = segments[from + n] + (this.#separatePrefix ? 1 : 0);
      const tables = this.#tables;
      const indirect = tables !== null && needed > 1 && needed <= tables.limit;
      const slots = indirect ? 1 : needed;
      if (slots > this.#free) break;
      const slot = avail++ & this.#mask;
      const first = this.#nextDesc;
      if (indirect) this.#writeIndirect(tables, head, pool, prefix);
      else this.#writeDirect(head, needed, pool, prefix);
      if (this.#u16[this.#avail + 2 + slot] !== first) this.#u16[this.#avail + 2 + slot] = first;
      this.#token[slot] = head;
      this.#head[slot] = first;
      if (this.#exposed !== null) this.#exposed[slot] = exposedBytes(head, pool, prefix);
      this.#nextDesc = (first + slots) & this.#mask;
      this.#free -= slots;
    }
    if (n > 0) this.#publish(avail);
    return n;
  }

  reap(token: Int32Array, length: Int32Array | null, from: number, max: number): number {
    if (this.broken !== null) return 0;
    const used = Atomics.load(this.#u16, this.#usedHalf + 1);
    const ready = (used - this.#lastUsed) & 0xffff;
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
    const heads = this.#head;
    const tokens = this.#token;
    let last = this.#lastUsed;
    for (let i = 0; i < n; i++) {
      const slot = last & mask;
      if (this.#batchEnd === -1) {
        const entry = ring + (slot << 1);
        const id = i32[entry];
        if (id === heads[slot]) {
          if (length !== null) length[from + i] = i32[entry + 1];
        } else if (this.#beginBatch(last, ready - i, id, i32[entry + 1])) {
          if (length !== null) length[from + i] = this.#writable(slot);
        } else {
          this.#took(last);
          this.#break('USED_ID_INVALID', `the device used id ${id >>> 0}, which is not outstanding`);
          return i;
        }
      } else {
        const end = last === this.#batchEnd;
        if (length !== null) length[from + i] = end ? this.#batchLength : this.#writable(slot);
        if (end) this.#batchEnd = -1;
      }
      token[from + i] = tokens[slot];
      last = (last + 1) & 0xffff;
    }
    this.#took(last);
    return n;
  }

  kickNeeded(): boolean {
    const old = this.#kickedIdx;
    const next = this.#availIdx;
    if (next === old || this.broken !== null) return false;
    this.#kickedIdx = next;
    // avail.idx was stored with sequential consistency, so this load cannot pass it.
    if (this.#eventIdx) {
      return needEvent(Atomics.load(this.#u16, this.#usedHalf + 2 + 4 * this.size), next, old);
    }
    return (Atomics.load(this.#u16, this.#usedHalf) & USED_F_NO_NOTIFY) === 0;
  }

  armInterrupt(): boolean {
    if (this.#eventIdx) Atomics.store(this.#u16, this.#avail + 2 + this.size, this.#lastUsed);
    else Atomics.store(this.#u16, this.#avail, 0);
    const used = Atomics.load(this.#u16, this.#usedHalf + 1);
    return this.broken === null && used !== this.#lastUsed;
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
    return sound ? used : this.#lastUsed;
  }

  held(): number[] {
    return Array.from({ length: this.outstanding }, (_, i) => this.#head[(this.#lastUsed + i) & this.#mask]);
  }

  reclaim(token: Int32Array): number {
    const n = this.outstanding;
    for (let i = 0; i < n; i++) token[i] = this.#token[(this.#lastUsed + i) & this.#mask];
    this.#lastUsed = this.#availIdx;
    this.#free = this.size;
    this.#batchEnd = -1;
    return n;
  }

  #writeDirect(head: number, needed: number, pool: BufferPool, prefix: number): void {
    const flags = this.#deviceWrites ? DESC_F_WRITE : 0;
    let at = this.#nextDesc;
    let left = needed;
    let lead = prefix;
    if (this.#separatePrefix) {
      at = this.#link(at, pool.dataOffset[head] - prefix, prefix, flags, --left);
      lead = 0;
    }
    for (let b = head; left > 0; b = pool.next[b]) {
      at = this.#link(at, pool.dataOffset[b] - lead, pool.dataLength[b] + lead, flags, --left);
      lead = 0;
    }
  }

  /** Writes one descriptor; with more to come it points to the following one (2.7.5.2: next = x + 1). */
  #link(at: number, address: number, bytes: number, flags: number, left: number): number {
    const following = (at + 1) & this.#mask;
    const d = this.#desc + (at << 2);
    this.#i32[d] = (address + this.#addressLow) | 0;
    this.#i32[d + 2] = bytes;
    this.#i32[d + 3] = left > 0 ? flags | DESC_F_NEXT | (following << 16) : flags;
    return following;
  }

  #writeIndirect(tables: IndirectTables, head: number, pool: BufferPool, prefix: number): void {
    const at = this.#nextDesc;
    const entries = tables.write(at, head, pool, prefix, this.#separatePrefix, this.#deviceWrites);
    const d = this.#desc + (at << 2);
    this.#i32[d] = (tables.at(at) + this.#addressLow) | 0;
    this.#i32[d + 2] = entries * descriptorBytes;
    this.#i32[d + 3] = DESC_F_INDIRECT;
  }

  /** Looks for the buffer with head `id` among the next `ready`; true if one entry stands for all up to it. */
  #beginBatch(last: number, ready: number, id: number, written: number): boolean {
    for (let k = 1; k < ready; k++) {
      if (this.#head[(last + k) & this.#mask] !== id) continue;
      this.#batchEnd = (last + k) & 0xffff;
      this.#batchLength = written;
      return true;
    }
    return false;
  }

  /** One release for the burst. It is sequentially consistent, so `kickNeeded` may load right after it. */
  #publish(avail: number): void {
    this.#availIdx = avail & 0xffff;
    Atomics.store(this.#u16, this.#avail + 1, avail & 0xffff);
  }

  /** Bytes the device may have written to a buffer it said nothing of. */
  #writable(slot: number): number {
    return this.#exposed === null ? 0 : this.#exposed[slot];
  }

  /** Everything up to the oldest buffer the device still has is free: descriptors are taken and freed in order. */
  #took(last: number): void {
    this.#lastUsed = last;
    const oldest = this.#head[last & this.#mask];
    const held = ((this.#nextDesc - oldest - 1) & this.#mask) + 1;
    this.#free = last === this.#availIdx ? this.size : this.size - held;
  }

  #break(code: QueueFault['code'], detail: string): 0 {
    this.broken = { code, detail };
    return 0;
  }
}

/** Bytes a packet exposes to the device. */
export function exposedBytes(head: number, pool: BufferPool, prefix: number): number {
  let bytes = prefix;
  for (let b = head; b !== -1; b = pool.next[b]) bytes += pool.dataLength[b];
  return bytes;
}
