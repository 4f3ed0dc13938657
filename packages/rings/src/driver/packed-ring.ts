import { driverJob } from '@vio/native/internal';
import { needEvent } from '../event-index.ts';
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
import type { BufferPool } from '../memory/buffer-pool.ts';
import { exposedBytes } from './buffer-notes.ts';
import type { DriverQueueOptions } from './driver-queue.ts';
import { DriverRing } from './driver-ring.ts';
import type { IndirectTables } from './indirect-tables.ts';

const availUsed = DESC_F_AVAIL | DESC_F_USED;

/**
 * The driver side of a packed virtqueue (virtio 1.4, section 2.8), as far as it is the same in order and not: exposing
 * buffers, and the events. Subclasses take buffers back.
 *
 * A burst is published with one store: all its descriptors are written plainly except the flags of the first head,
 * which are stored last with release semantics. A device looks at the ring in order and cannot pass that head, and
 * having acquired it sees all that was written before (2.8.17: the head's flags are written last).
 *
 * The whole address of a descriptor is written every time: a device may leave anything in those it has used (2.8.4).
 */
export abstract class PackedRing extends DriverRing {
  readonly format = 'packed';
  /** The two bits of the next used descriptor. */
  protected usedBits = availUsed;

  /** Descriptors that can still be added. */
  #free: number;
  /** Where the next descriptor goes, and the bits that make one available in this round. */
  #next = 0;
  #availBits = DESC_F_AVAIL;
  #addedSinceKick = 0;
  readonly #driverEvent: number;
  readonly #deviceEvent: number;

  constructor(options: DriverQueueOptions) {
    const { descriptors, driverEvent, deviceEvent, bytes } = packedLayout(options.size);
    super(options, { descriptors, driver: driverEvent, device: deviceEvent, bytes }, false);
    this.#free = options.size;
    this.#driverEvent = this.addresses.driver >>> 1;
    this.#deviceEvent = this.addresses.device >>> 2;
    this.disarmInterrupt();
  }

  get free(): number {
    return this.#free;
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
    const n = count < this.#free ? count : this.#free;
    if (n <= 0) return 0;
    const { i32, desc, size } = this;
    const { ids, token: tokens, exposed } = this.notes;
    const direction = this.deviceWrites ? DESC_F_WRITE : 0;
    const high = this.addressHigh;
    const start = (base + this.addressLow) | 0;
    let flags = (direction | this.#availBits) << 16;
    let next = this.#next;
    let idHead = this.idHead;
    const first = desc + (next << 2) + 3;
    const firstWord = ids[idHead] | flags;
    const end = from + n;
    for (let i = from; i < end; i++) {
      const own = token[i];
      const id = ids[idHead];
      const d = desc + (next << 2);
      const address = (start + (offset === undefined ? Math.imul(own, stride) : offset[i])) | 0;
      const bytes = length === undefined ? more : length[i] + more;
      if (i32[d] !== address) i32[d] = address;
      if (i32[d + 1] !== high) i32[d + 1] = high;
      if (i32[d + 2] !== bytes) i32[d + 2] = bytes;
      if (i !== from) i32[d + 3] = id | flags;
      tokens[id] = own;
      if (exposed !== undefined) exposed[id] = bytes;
      if (++idHead === size) idHead = 0;
      if (++next === size) {
        next = 0;
        this.#availBits ^= availUsed;
        flags = (direction | this.#availBits) << 16;
      }
    }
    this.idHead = idHead;
    this.#next = next;
    this.#publish(n, n, first, firstWord);
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
    const first = this.desc + (this.#next << 2) + 3;
    let firstWord = 0;
    let taken = 0;
    let n = 0;
    for (; n < count; n++) {
      const head = buffer[from + n];
      const needed = segments[from + n] + (this.separatePrefix ? 1 : 0);
      const tables = this.tables;
      const indirect = tables !== undefined && needed > 1 && needed <= tables.limit;
      const slots = indirect ? 1 : needed;
      if (taken + slots > this.#free) break;
      const id = ids[this.idHead];
      const at = this.desc + (this.#next << 2) + 3;
      const word = indirect
        ? this.#writeIndirect(tables, id, head, pool, prefix)
        : this.#writeDirect(id, head, needed, pool, prefix);
      if (n === 0) firstWord = word;
      else this.i32[at] = word;
      if (++this.idHead === this.size) this.idHead = 0;
      token[id] = head;
      followers[id] = slots - 1;
      if (exposed !== undefined) exposed[id] = exposedBytes(head, pool, prefix);
      taken += slots;
    }
    if (n > 0) this.#publish(n, taken, first, firstWord);
    return n;
  }

  kickNeeded(): boolean {
    const added = this.#addedSinceKick;
    if (added === 0 || this.broken !== undefined) return false;
    this.#addedSinceKick = 0;
    // The publishing store was sequentially consistent: this load cannot pass it.
    const wish = Atomics.load(this.i32, this.#deviceEvent);
    const flags = (wish >>> 16) & 3;
    if (!this.eventIdx || flags !== RING_EVENT_DESC) return flags !== RING_EVENT_DISABLE;
    // More than a ring has passed every event there is.
    if (added > this.size) return true;
    const wrap = (wish >>> 15) & 1;
    const ourWrap = this.#availBits === DESC_F_AVAIL ? 1 : 0;
    // An event of the other round lies a whole ring behind (2.8.10).
    const event = (wish & 0x7fff) - (wrap === ourWrap ? 0 : this.size);
    return needEvent(event & 0xffff, this.#next, (this.#next - added) & 0xffff);
  }

  armInterrupt(): boolean {
    if (this.eventIdx) {
      const wrap = this.usedBits === 0 ? 0 : 0x8000;
      this.u16[this.#driverEvent] = this.lastUsed | wrap;
      Atomics.store(this.u16, this.#driverEvent + 1, RING_EVENT_DESC);
    } else {
      Atomics.store(this.u16, this.#driverEvent + 1, RING_EVENT_ENABLE);
    }
    return this.outstanding > 0 && this.usedWaiting();
  }

  usedWaiting(): boolean {
    const word = Atomics.load(this.i32, this.desc + (this.lastUsed << 2) + 3);
    return this.broken === undefined && ((word >>> 16) & availUsed) === this.usedBits;
  }

  disarmInterrupt(): void {
    this.u16[this.#driverEvent + 1] = RING_EVENT_DISABLE;
  }

  nextAvailable(): number {
    return this.#next | (this.#availBits === DESC_F_AVAIL ? 0x8000 : 0);
  }

  reclaim(token: Int32Array): number {
    const { token: tokens, followers } = this.notes;
    let n = 0;
    for (let id = 0; id < this.size; id++) {
      if (tokens[id] < 0) continue;
      token[n++] = tokens[id];
      tokens[id] = -1;
      this.#free += followers[id] + 1;
      followers[id] = 0;
    }
    this.outstanding = 0;
    return n;
  }

  lend(job: Int32Array): void {
    job[driverJob.availNext] = this.#next;
    job[driverJob.availWrap] = this.#availBits === DESC_F_AVAIL ? 1 : 0;
    job[driverJob.usedNext] = this.lastUsed;
    job[driverJob.usedWrap] = this.usedBits === 0 ? 0 : 1;
    job[driverJob.idHead] = this.idHead;
    job[driverJob.idTail] = this.idTail;
    job[driverJob.free] = this.#free;
    job[driverJob.outstanding] = this.outstanding;
    job[driverJob.kicked] = this.#addedSinceKick;
  }

  takeBack(job: Int32Array): void {
    this.#next = job[driverJob.availNext];
    this.#availBits = job[driverJob.availWrap] === 1 ? DESC_F_AVAIL : DESC_F_USED;
    this.lastUsed = job[driverJob.usedNext];
    this.usedBits = job[driverJob.usedWrap] === 1 ? availUsed : 0;
    this.idHead = job[driverJob.idHead];
    this.idTail = job[driverJob.idTail];
    this.#free = job[driverJob.free];
    this.outstanding = job[driverJob.outstanding];
    this.#addedSinceKick = job[driverJob.kicked];
  }

  /** Notes that `n` buffers of so many descriptors were taken back, and where the next used one appears. */
  protected took(n: number, descriptors: number, lastUsed: number, usedBits: number): void {
    this.lastUsed = lastUsed;
    this.usedBits = usedBits;
    this.#free += descriptors;
    this.outstanding -= n;
  }

  /** Writes a chain except the word of its head, which is returned: id and flags. */
  #writeDirect(id: number, head: number, needed: number, pool: BufferPool, prefix: number): number {
    const direction = this.deviceWrites ? DESC_F_WRITE : 0;
    let headWord = 0;
    let buffer = head;
    for (let i = 0; i < needed; i++) {
      const d = this.desc + (this.#next << 2);
      const more = i < needed - 1 ? DESC_F_NEXT : 0;
      const word = id | ((direction | more | this.#availBits) << 16);
      this.i32[d + 1] = this.addressHigh;
      if (i === 0 && this.separatePrefix) {
        this.i32[d] = (pool.dataOffset[head] - prefix + this.addressLow) | 0;
        this.i32[d + 2] = prefix;
      } else {
        const lead = i === 0 ? prefix : 0;
        this.i32[d] = (pool.dataOffset[buffer] - lead + this.addressLow) | 0;
        this.i32[d + 2] = pool.dataLength[buffer] + lead;
        buffer = pool.next[buffer];
      }
      if (i === 0) headWord = word;
      else this.i32[d + 3] = word;
      this.#advance();
    }
    return headWord;
  }

  #writeIndirect(tables: IndirectTables, id: number, head: number, pool: BufferPool, prefix: number): number {
    // The table of the id, not of the slot: an id is in use once, a slot may be reused before its table is done.
    const entries = tables.write(id, head, pool, prefix, this.separatePrefix, this.deviceWrites);
    const d = this.desc + (this.#next << 2);
    this.i32[d] = (tables.at(id) + this.addressLow) | 0;
    this.i32[d + 1] = this.addressHigh;
    this.i32[d + 2] = entries * descriptorBytes;
    const word = id | ((DESC_F_INDIRECT | this.#availBits) << 16);
    this.#advance();
    return word;
  }

  #advance(): void {
    if (++this.#next < this.size) return;
    this.#next = 0;
    this.#availBits ^= availUsed;
  }

  /**
   * Makes `n` buffers of so many descriptors available. The id travels in the same word as the flags, so one 32-bit store
   * publishes both; it is sequentially consistent, so `kickNeeded` may load right after it.
   */
  #publish(n: number, descriptors: number, first: number, firstWord: number): void {
    this.#free -= descriptors;
    this.outstanding += n;
    this.#addedSinceKick += descriptors;
    Atomics.store(this.i32, first, firstWord);
  }
}
