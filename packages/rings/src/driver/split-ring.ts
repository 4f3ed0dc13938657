import { driverJob } from '@vio/native/internal';
import { needEvent } from '../event-index.ts';
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, descriptorBytes } from '../layout/descriptor.ts';
import { AVAIL_F_NO_INTERRUPT, USED_F_NO_NOTIFY, splitLayout } from '../layout/split-layout.ts';
import type { BufferPool } from '../memory/buffer-pool.ts';
import { exposedBytes } from './buffer-notes.ts';
import type { DriverQueueOptions } from './driver-queue.ts';
import { DriverRing } from './driver-ring.ts';
import { fillHighWords } from './high-words.ts';
import type { IndirectTables } from './indirect-tables.ts';

/**
 * The driver side of a split virtqueue (virtio 1.4, section 2.7), as far as it is the same in order and not: exposing
 * buffers, and the events. Subclasses take buffers back.
 *
 * Descriptor ids wait in a ring: with a device that uses buffers in order, the same ids meet the same avail slots round
 * after round, nothing that is written changes, and the ring's cache lines stay shared between the two cores. With
 * IN_ORDER the ids are descriptors in ring order, as 2.7.9 wants them.
 */
export abstract class SplitRing extends DriverRing {
  readonly format = 'split';
  protected readonly mask: number;
  /** Positions as indexes of the typed arrays: halves of the used ring, words of its entries. */
  protected readonly usedHalf: number;
  protected readonly usedRing: number;
  /** Free-running 16-bit counter of the buffers made available, as `lastUsed` is of those taken back. */
  protected availIdx = 0;

  /** Halves of the avail ring. */
  readonly #avail: number;
  /** By id: the following id of a direct chain. The ring's own `next` could be anything by now. */
  readonly #links: Uint16Array;
  #kickedIdx = 0;

  constructor(options: DriverQueueOptions) {
    const { size } = options;
    const { descriptors, avail, used, bytes } = splitLayout(size);
    super(options, { descriptors, driver: avail, device: used, bytes }, true);
    this.mask = size - 1;
    this.usedHalf = this.addresses.device >>> 1;
    this.usedRing = (this.addresses.device >>> 2) + 1;
    this.idTail = size;
    this.#avail = this.addresses.driver >>> 1;
    this.#links = this.notes.links ?? new Uint16Array(size);
    if (options.prepared !== true) fillHighWords(options.region, this.desc, size);
    this.disarmInterrupt();
  }

  get free(): number {
    return this.idTail - this.idHead;
  }

  protected expose(
    token: Int32Array,
    offset: Int32Array | undefined,
    length: Int32Array | undefined,
    from: number,
    count: number,
    base: number,
    stride: number,
    more: number,
  ): number {
    if (this.broken !== undefined) return 0;
    const free = this.idTail - this.idHead;
    const n = count < free ? count : free;
    if (n <= 0) return 0;
    const { i32, u16, mask, desc } = this;
    const { ids, token: tokens, exposed } = this.notes;
    const ring = this.#avail + 2;
    const flags = this.deviceWrites ? DESC_F_WRITE : 0;
    const start = (base + this.addressLow) | 0;
    let idHead = this.idHead;
    let avail = this.availIdx;
    const end = from + n;
    for (let i = from; i < end; i++) {
      const own = token[i];
      const id = ids[idHead++ & mask];
      const d = desc + (id << 2);
      const address = (start + (offset === undefined ? Math.imul(own, stride) : offset[i])) | 0;
      const bytes = length === undefined ? more : length[i] + more;
      if (i32[d] !== address) i32[d] = address;
      if (i32[d + 2] !== bytes) i32[d + 2] = bytes;
      if (i32[d + 3] !== flags) i32[d + 3] = flags;
      const slot = ring + (avail++ & mask);
      if (u16[slot] !== id) u16[slot] = id;
      tokens[id] = own;
      if (exposed !== undefined) exposed[id] = bytes;
    }
    this.idHead = idHead;
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
    if (this.broken !== undefined) return 0;
    const { ids, token, followers, exposed } = this.notes;
    const ring = this.#avail + 2;
    let avail = this.availIdx;
    let n = 0;
    for (; n < count; n++) {
      const head = buffer[from + n];
      const needed = segments[from + n] + (this.separatePrefix ? 1 : 0);
      const tables = this.tables;
      const indirect = tables !== undefined && needed > 1 && needed <= tables.limit;
      if ((indirect ? 1 : needed) > this.free) break;
      const id = ids[this.idHead & this.mask];
      if (indirect) this.#writeIndirect(tables, head, pool, prefix);
      else this.#writeDirect(head, needed, pool, prefix);
      const slot = ring + (avail++ & this.mask);
      if (this.u16[slot] !== id) this.u16[slot] = id;
      token[id] = head;
      followers[id] = indirect ? 0 : needed - 1;
      if (exposed !== undefined) exposed[id] = exposedBytes(head, pool, prefix);
    }
    if (n === 0) return 0;
    this.outstanding += n;
    this.#publish(avail);
    return n;
  }

  kickNeeded(): boolean {
    const old = this.#kickedIdx;
    const next = this.availIdx;
    if (next === old || this.broken !== undefined) return false;
    this.#kickedIdx = next;
    // avail.idx was stored with sequential consistency, so this load cannot pass it.
    if (this.eventIdx) {
      return needEvent(Atomics.load(this.u16, this.usedHalf + 2 + 4 * this.size), next, old);
    }
    return (Atomics.load(this.u16, this.usedHalf) & USED_F_NO_NOTIFY) === 0;
  }

  armInterrupt(): boolean {
    if (this.eventIdx) Atomics.store(this.u16, this.#avail + 2 + this.size, this.lastUsed);
    else Atomics.store(this.u16, this.#avail, 0);
    return this.usedWaiting();
  }

  usedWaiting(): boolean {
    const used = Atomics.load(this.u16, this.usedHalf + 1);
    return this.broken === undefined && used !== this.lastUsed;
  }

  disarmInterrupt(): void {
    // With EVENT_IDX flags stay 0 (2.7.7.1): silence is an event index that was just passed.
    if (this.eventIdx) this.u16[this.#avail + 2 + this.size] = (this.lastUsed - 1) & 0xffff;
    else this.u16[this.#avail] = AVAIL_F_NO_INTERRUPT;
  }

  nextAvailable(): number {
    return this.availIdx;
  }

  base(): number {
    const used = Atomics.load(this.u16, this.usedHalf + 1);
    const sound = this.broken === undefined && ((used - this.lastUsed) & 0xffff) <= this.outstanding;
    return sound ? used : this.lastUsed;
  }

  reclaim(token: Int32Array): number {
    const { token: tokens, ids } = this.notes;
    let n = 0;
    for (let id = 0; id < this.size; id++) {
      if (tokens[id] < 0) continue;
      token[n++] = tokens[id];
      tokens[id] = -1;
      ids[this.idTail++ & this.mask] = id;
      this.idTail = this.freeFollowers(id, this.idTail);
    }
    this.outstanding = 0;
    return n;
  }

  lend(job: Int32Array): void {
    job[driverJob.availNext] = this.availIdx;
    job[driverJob.usedNext] = this.lastUsed;
    job[driverJob.idHead] = this.idHead;
    job[driverJob.idTail] = this.idTail;
    job[driverJob.outstanding] = this.outstanding;
    job[driverJob.kicked] = this.#kickedIdx;
  }

  takeBack(job: Int32Array): void {
    this.availIdx = job[driverJob.availNext];
    this.lastUsed = job[driverJob.usedNext];
    this.idHead = job[driverJob.idHead];
    this.outstanding = job[driverJob.outstanding];
    this.#kickedIdx = job[driverJob.kicked];
    this.took(0, job[driverJob.idTail]);
  }

  /** @returns how many buffers the device has used; 0 also when that cannot be, which breaks the queue */
  protected used(): number {
    if (this.broken !== undefined) return 0;
    const ready = (Atomics.load(this.u16, this.usedHalf + 1) - this.lastUsed) & 0xffff;
    if (ready <= this.outstanding) return ready;
    this.break(
      'USED_INDEX_JUMPED',
      `used.idx moved by ${ready}, ${this.outstanding} buffers were outstanding`,
    );
    return 0;
  }

  /** Notes that `n` buffers were taken back, and where the ring of free ids ends now. */
  protected took(n: number, idTail: number): void {
    this.lastUsed = (this.lastUsed + n) & 0xffff;
    this.outstanding -= n;
    this.idTail = idTail;
    // These counters only matter modulo the ring size: keep them small integers.
    if (this.idHead > 0x3fff_0000) {
      this.idHead -= 0x3f00_0000;
      this.idTail -= 0x3f00_0000;
    }
  }

  /** Frees the descriptors behind the head of a direct chain. @returns the tail of the ring of free ids */
  protected freeFollowers(head: number, idTail: number): number {
    const { followers, ids } = this.notes;
    let follower = head;
    for (let left = followers[head]; left > 0; left--) {
      follower = this.#links[follower];
      ids[idTail++ & this.mask] = follower;
    }
    followers[head] = 0;
    return idTail;
  }

  #writeDirect(head: number, needed: number, pool: BufferPool, prefix: number): void {
    const flags = this.deviceWrites ? DESC_F_WRITE : 0;
    let id = this.notes.ids[this.idHead++ & this.mask];
    let left = needed;
    let lead = prefix;
    if (this.separatePrefix) {
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
    const { i32 } = this;
    const d = this.desc + (id << 2);
    const following = left > 0 ? this.notes.ids[this.idHead++ & this.mask] : 0;
    i32[d] = (address + this.addressLow) | 0;
    i32[d + 2] = bytes;
    i32[d + 3] = left > 0 ? flags | DESC_F_NEXT | (following << 16) : flags;
    if (left > 0) this.#links[id] = following;
    return following;
  }

  #writeIndirect(tables: IndirectTables, head: number, pool: BufferPool, prefix: number): void {
    const id = this.notes.ids[this.idHead++ & this.mask];
    const entries = tables.write(id, head, pool, prefix, this.separatePrefix, this.deviceWrites);
    const d = this.desc + (id << 2);
    this.i32[d] = (tables.at(id) + this.addressLow) | 0;
    this.i32[d + 2] = entries * descriptorBytes;
    this.i32[d + 3] = DESC_F_INDIRECT;
  }

  /** One release for the burst. It is sequentially consistent, so `kickNeeded` may load right after it. */
  #publish(avail: number): void {
    this.availIdx = avail & 0xffff;
    Atomics.store(this.u16, this.#avail + 1, avail & 0xffff);
  }
}
