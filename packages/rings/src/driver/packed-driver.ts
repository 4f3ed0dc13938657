import { type VectorKernel, createVectorKernel, vectorJob } from '@vio/native';
import { needEvent } from '../event-index.ts';
import type { QueueFault } from '../fault.ts';
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
import type { Region } from '../memory/region.ts';
import type { DriverQueueOptions, VringAddresses } from './driver-queue.ts';
import { IndirectTables } from './indirect-tables.ts';
import type { LendingDriver } from './vector-driver.ts';
import { exposedBytes } from './split-in-order-driver.ts';

/**
 * x86 loads are not reordered with loads, so there a plain load of a descriptor's flags is an acquire. Elsewhere
 * every used descriptor needs one of its own: a packed ring has no index whose load would cover the burst.
 */
const weaklyOrdered = process.arch !== 'x64';

const availUsed = DESC_F_AVAIL | DESC_F_USED;

/**
 * The driver side of a packed virtqueue (virtio 1.4, section 2.8), in order or not.
 *
 * A burst is published with one store: all its descriptors are written plainly except the flags of the first head,
 * which are stored last with release semantics. A device looks at the ring in order and cannot pass that head, and
 * having acquired it sees all that was written before (2.8.17: the head's flags are written last).
 *
 * The whole address of a descriptor is written every time: a device may leave anything in those it has used (2.8.4).
 */
export class PackedDriver implements LendingDriver {
  readonly format = 'packed';
  readonly inOrder: boolean;
  readonly size: number;
  readonly addresses: VringAddresses;
  outstanding = 0;
  broken: QueueFault | null = null;

  readonly #region: Region;
  readonly #i32: Int32Array;
  readonly #u16: Uint16Array;
  /** Where the region begins for the device. */
  readonly #addressLow: number;
  readonly #addressHigh: number;
  readonly #eventIdx: boolean;
  readonly #deviceWrites: boolean;
  readonly #separatePrefix: boolean;
  readonly #tables: IndirectTables | null;
  readonly #desc: number;
  readonly #driverEvent: number;
  readonly #deviceEvent: number;

  /** Buffer ids not in use, a ring of `size` entries. With IN_ORDER it stays the identity. */
  readonly #ids: Uint16Array;
  #idHead = 0;
  #idTail = 0;
  #free: number;
  /** By id: the caller's token (-1: not outstanding), and the number of ring slots behind the first. */
  readonly #token: Int32Array;
  readonly #followers: Uint16Array;
  /** By id, bytes exposed; kept where a device may leave a written length out: IN_ORDER, writable buffers. */
  readonly #exposed: Int32Array | null;

  /** Where the next descriptor goes, and the bits that make one available in this round. */
  #next = 0;
  #availBits = DESC_F_AVAIL;
  /** Where the next used descriptor appears, and what its two bits will be. */
  #lastUsed = 0;
  #usedBits = availUsed;
  #addedSinceKick = 0;
  /** IN_ORDER: the oldest outstanding id, and a batch reported by one descriptor that `reap` has not finished. */
  #oldest = 0;
  #batchId = -1;
  #batchLength = 0;

  constructor(options: DriverQueueOptions) {
    const { region, offset, size, features } = options;
    const layout = packedLayout(size);
    this.size = size;
    this.inOrder = features.inOrder;
    this.addresses = {
      descriptors: offset + layout.descriptors,
      driver: offset + layout.driverEvent,
      device: offset + layout.deviceEvent,
    };
    this.#region = region;
    this.#i32 = region.i32;
    this.#u16 = region.u16;
    this.#addressLow = region.addressLow;
    this.#addressHigh = region.addressHigh;
    this.#eventIdx = features.eventIdx;
    this.#deviceWrites = options.deviceWrites;
    this.#separatePrefix = options.separatePrefix ?? false;
    this.#desc = this.addresses.descriptors >>> 2;
    this.#driverEvent = this.addresses.driver >>> 1;
    this.#deviceEvent = this.addresses.device >>> 2;
    this.#ids = Uint16Array.from({ length: size }, (_, i) => i);
    this.#free = size;
    this.#token = new Int32Array(size).fill(-1);
    this.#followers = new Uint16Array(size);
    this.#exposed = this.inOrder && options.deviceWrites ? new Int32Array(size) : null;
    if (options.prepared !== true) region.u8.fill(0, offset, offset + layout.bytes);
    this.#tables = features.indirect
      ? new IndirectTables(region, offset + layout.bytes, options.indirectEntries ?? 8, size, false)
      : null;
    this.disarmInterrupt();
  }

  get free(): number {
    return this.#free;
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
    const desc = this.#desc;
    const size = this.size;
    const ids = this.#ids;
    const tokens = this.#token;
    const exposed = this.#exposed;
    const direction = this.#deviceWrites ? DESC_F_WRITE : 0;
    const first = desc + (this.#next << 2) + 3;
    const firstWord = ids[this.#idHead] | ((direction | this.#availBits) << 16);
    let flags = (direction | this.#availBits) << 16;
    let next = this.#next;
    let idHead = this.#idHead;
    const high = this.#addressHigh;
    const shift = (this.#addressLow - prefix) | 0;
    const end = from + n;
    for (let i = from; i < end; i++) {
      const id = ids[idHead];
      const d = desc + (next << 2);
      const address = (offset[i] + shift) | 0;
      const bytes = length[i] + prefix;
      if (i32[d] !== address) i32[d] = address;
      if (i32[d + 1] !== high) i32[d + 1] = high;
      if (i32[d + 2] !== bytes) i32[d + 2] = bytes;
      if (i !== from) i32[d + 3] = id | flags;
      tokens[id] = token[i];
      if (exposed !== null) exposed[id] = bytes;
      if (++idHead === size) idHead = 0;
      if (++next === size) {
        next = 0;
        this.#availBits ^= availUsed;
        flags = (direction | this.#availBits) << 16;
      }
    }
    this.#idHead = idHead;
    this.#next = next;
    this.#free -= n;
    this.outstanding += n;
    this.#addedSinceKick += n;
    // The id travels in the same word as the flags, so one 32-bit store publishes both.
    Atomics.store(i32, first, firstWord);
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
    const desc = this.#desc;
    const size = this.size;
    const ids = this.#ids;
    const tokens = this.#token;
    const exposed = this.#exposed;
    const direction = this.#deviceWrites ? DESC_F_WRITE : 0;
    let flags = (direction | this.#availBits) << 16;
    let next = this.#next;
    let idHead = this.#idHead;
    const first = desc + (next << 2) + 3;
    const firstWord = ids[idHead] | flags;
    const high = this.#addressHigh;
    const start = (base + this.#addressLow) | 0;
    const end = from + n;
    for (let i = from; i < end; i++) {
      const buffer = token[i];
      const id = ids[idHead];
      const d = desc + (next << 2);
      const address = (start + Math.imul(buffer, stride)) | 0;
      if (i32[d] !== address) i32[d] = address;
      if (i32[d + 1] !== high) i32[d + 1] = high;
      if (i32[d + 2] !== bytes) i32[d + 2] = bytes;
      if (i !== from) i32[d + 3] = id | flags;
      tokens[id] = buffer;
      if (exposed !== null) exposed[id] = bytes;
      if (++idHead === size) idHead = 0;
      if (++next === size) {
        next = 0;
        this.#availBits ^= availUsed;
        flags = (direction | this.#availBits) << 16;
      }
    }
    this.#idHead = idHead;
    this.#next = next;
    this.#free -= n;
    this.outstanding += n;
    this.#addedSinceKick += n;
    Atomics.store(i32, first, firstWord);
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
    const publishAt = this.#desc + (this.#next << 2) + 3;
    let publishWord = 0;
    let n = 0;
    for (; n < count; n++) {
      const head = buffer[from + n];
      const needed = segments[from + n] + (this.#separatePrefix ? 1 : 0);
      const tables = this.#tables;
      const indirect = tables !== null && needed > 1 && needed <= tables.limit;
      const slots = indirect ? 1 : needed;
      if (slots > this.#free) break;
      const id = this.#ids[this.#idHead];
      const at = this.#desc + (this.#next << 2) + 3;
      const word = indirect
        ? this.#writeIndirect(tables, id, head, pool, prefix)
        : this.#writeDirect(id, head, needed, pool, prefix);
      if (n === 0) publishWord = word;
      else this.#i32[at] = word;
      if (++this.#idHead === this.size) this.#idHead = 0;
      this.#token[id] = head;
      this.#followers[id] = slots - 1;
      if (this.#exposed !== null) this.#exposed[id] = exposedBytes(head, pool, prefix);
      this.#free -= slots;
      this.#addedSinceKick += slots;
    }
    if (n === 0) return 0;
    this.outstanding += n;
    Atomics.store(this.#i32, publishAt, publishWord);
    return n;
  }

  reap(token: Int32Array, length: Int32Array | null, from: number, max: number): number {
    if (this.broken !== null) return 0;
    if (this.inOrder) return this.#reapInOrder(token, length, from, max);
    const i32 = this.#i32;
    const desc = this.#desc;
    const size = this.size;
    const followers = this.#followers;
    const tokens = this.#token;
    const ids = this.#ids;
    let usedBits = this.#usedBits;
    let idTail = this.#idTail;
    let at = this.#lastUsed;
    let out = from | 0;
    const end = out + max;
    let freed = 0;
    for (; out < end; out++) {
      const d = desc + (at << 2);
      const word = weaklyOrdered ? Atomics.load(i32, d + 3) : i32[d + 3];
      if (((word >>> 16) & availUsed) !== usedBits) break;
      const id = word & 0xffff;
      const own = id < size ? tokens[id] : -1;
      if (own < 0) {
        this.#break('USED_ID_INVALID', `the device used id ${id}, which is not outstanding`);
        break;
      }
      token[out] = own;
      tokens[id] = -1;
      if (length !== null) length[out] = i32[d + 2];
      ids[idTail] = id;
      if (++idTail === size) idTail = 0;
      // A branch, so that the address of the next descriptor does not have to wait for this load.
      if (followers[id] !== 0) {
        at += followers[id];
        freed += followers[id];
        followers[id] = 0;
      }
      freed++;
      if (++at >= size) {
        at -= size;
        usedBits ^= availUsed;
      }
    }
    const n = out - from;
    this.#usedBits = usedBits;
    this.#idTail = idTail;
    this.#lastUsed = at;
    this.#free += freed;
    this.outstanding -= n;
    return n;
  }

  kernel(): VectorKernel {
    const notes = { token: this.#token, ids: this.#ids, followers: this.#followers, exposed: this.#exposed };
    return createVectorKernel({ memory: this.#region.u8, ...notes }, (job) => {
      job[vectorJob.packed] = 1;
      job[vectorJob.size] = this.size;
      job[vectorJob.deviceWrites] = this.#deviceWrites ? 1 : 0;
      job[vectorJob.addressLow] = this.#addressLow;
      job[vectorJob.addressHigh] = this.#addressHigh;
      job[vectorJob.descAt] = this.addresses.descriptors;
    });
  }

  lend(job: Int32Array): void {
    job[vectorJob.availNext] = this.#next;
    job[vectorJob.availWrap] = this.#availBits === DESC_F_AVAIL ? 1 : 0;
    job[vectorJob.usedNext] = this.#lastUsed;
    job[vectorJob.usedWrap] = this.#usedBits === 0 ? 0 : 1;
    job[vectorJob.idHead] = this.#idHead;
    job[vectorJob.oldest] = this.#oldest;
    job[vectorJob.free] = this.#free;
    // In the middle of a batch there is nothing for a kernel.
    job[vectorJob.outstanding] = this.#batchId === -1 ? this.outstanding : 0;
  }

  takeBackAdded(job: Int32Array, count: number): void {
    this.#next = job[vectorJob.availNext];
    this.#availBits = job[vectorJob.availWrap] === 1 ? DESC_F_AVAIL : DESC_F_USED;
    this.#idHead = job[vectorJob.idHead];
    this.#free -= count;
    this.outstanding += count;
    this.#addedSinceKick += count;
  }

  takeBackReaped(job: Int32Array, count: number): void {
    this.#lastUsed = job[vectorJob.usedNext];
    this.#usedBits = job[vectorJob.usedWrap] === 1 ? availUsed : 0;
    this.#oldest = job[vectorJob.oldest];
    this.#idTail = this.#oldest;
    this.#free += count;
    this.outstanding -= count;
  }

  kickNeeded(): boolean {
    const added = this.#addedSinceKick;
    if (added === 0 || this.broken !== null) return false;
    this.#addedSinceKick = 0;
    // The publishing store was sequentially consistent: this load cannot pass it.
    const wish = Atomics.load(this.#i32, this.#deviceEvent);
    const flags = (wish >>> 16) & 3;
    if (!this.#eventIdx || flags !== RING_EVENT_DESC) return flags !== RING_EVENT_DISABLE;
    // More than a ring has passed every event there is.
    if (added > this.size) return true;
    const wrap = (wish >>> 15) & 1;
    const ourWrap = this.#availBits === DESC_F_AVAIL ? 1 : 0;
    // An event of the other round lies a whole ring behind (2.8.10).
    const event = (wish & 0x7fff) - (wrap === ourWrap ? 0 : this.size);
    return needEvent(event & 0xffff, this.#next, (this.#next - added) & 0xffff);
  }

  armInterrupt(): boolean {
    if (this.#eventIdx) {
      const wrap = this.#usedBits === 0 ? 0 : 0x8000;
      this.#u16[this.#driverEvent] = this.#lastUsed | wrap;
      Atomics.store(this.#u16, this.#driverEvent + 1, RING_EVENT_DESC);
    } else {
      Atomics.store(this.#u16, this.#driverEvent + 1, RING_EVENT_ENABLE);
    }
    const word = Atomics.load(this.#i32, this.#desc + (this.#lastUsed << 2) + 3);
    if (this.broken !== null || this.outstanding === 0) return false;
    return this.#batchId !== -1 || ((word >>> 16) & availUsed) === this.#usedBits;
  }

  disarmInterrupt(): void {
    this.#u16[this.#driverEvent + 1] = RING_EVENT_DISABLE;
  }

  nextAvailable(): number {
    return this.#next | (this.#availBits === DESC_F_AVAIL ? 0x8000 : 0);
  }

  base(): number {
    const i32 = this.#i32;
    let at = this.#lastUsed;
    let bits = this.#usedBits;
    let batchId = this.#batchId;
    let oldest = this.#oldest;
    for (let left = this.broken === null ? this.outstanding : 0; left > 0; left--) {
      let id = batchId;
      if (id === -1) {
        const word = Atomics.load(i32, this.#desc + (at << 2) + 3);
        id = word & 0xffff;
        if (((word >>> 16) & availUsed) !== bits || id >= this.size || this.#token[id] < 0) break;
      }
      if (this.inOrder) {
        // One used descriptor stands for all buffers up to the one it names.
        batchId = id === oldest ? -1 : id;
        id = oldest;
        if (++oldest === this.size) oldest = 0;
      }
      at += this.#followers[id] + 1;
      if (at >= this.size) {
        at -= this.size;
        bits ^= availUsed;
      }
    }
    const half = at | (bits === 0 ? 0 : 0x8000);
    return (half | (half << 16)) >>> 0;
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
      this.#free += this.#followers[id] + 1;
      this.#followers[id] = 0;
    }
    this.outstanding = 0;
    this.#batchId = -1;
    return n;
  }

  /**
   * With IN_ORDER one used descriptor may stand for a batch: it carries the id of the last buffer, and the device
   * skips the slots of all of them. Of what the device may write, the skipped buffers count as completely written.
   */
  #reapInOrder(token: Int32Array, length: Int32Array | null, from: number, max: number): number {
    const i32 = this.#i32;
    const desc = this.#desc;
    const size = this.size;
    const tokens = this.#token;
    const followers = this.#followers;
    const exposed = this.#exposed;
    const outstanding = this.outstanding;
    let at = this.#lastUsed;
    let oldest = this.#oldest;
    let usedBits = this.#usedBits;
    let batchId = this.#batchId;
    let freed = 0;
    let out = from | 0;
    const end = out + max;
    while (out < end) {
      if (batchId === -1) {
        const d = desc + (at << 2);
        const word = weaklyOrdered ? Atomics.load(i32, d + 3) : i32[d + 3];
        if (((word >>> 16) & availUsed) !== usedBits || outstanding === out - from) break;
        batchId = word & 0xffff;
        if (batchId >= size || tokens[batchId] < 0) {
          this.#break('USED_ID_INVALID', `the device used id ${batchId}, which is not outstanding`);
          break;
        }
        this.#batchLength = i32[d + 2];
      }
      const last = oldest === batchId;
      if (last) batchId = -1;
      if (length !== null) length[out] = last ? this.#batchLength : exposed === null ? 0 : exposed[oldest];
      token[out++] = tokens[oldest];
      tokens[oldest] = -1;
      // A branch, so that the address of the next descriptor does not have to wait for this load.
      if (followers[oldest] !== 0) {
        at += followers[oldest];
        freed += followers[oldest];
        followers[oldest] = 0;
      }
      freed++;
      if (++oldest === size) oldest = 0;
      if (++at >= size) {
        at -= size;
        usedBits ^= availUsed;
      }
    }
    const n = out - from;
    this.#usedBits = usedBits;
    this.#batchId = batchId;
    this.#oldest = oldest;
    this.#idTail = oldest;
    this.#lastUsed = at;
    this.#free += freed;
    this.outstanding -= n;
    return n;
  }

  /** Writes a chain except the word of its head, which is returned: id and flags. */
  #writeDirect(id: number, head: number, needed: number, pool: BufferPool, prefix: number): number {
    const direction = this.#deviceWrites ? DESC_F_WRITE : 0;
    let headWord = 0;
    let buffer = head;
    for (let i = 0; i < needed; i++) {
      const d = this.#desc + (this.#next << 2);
      const more = i < needed - 1 ? DESC_F_NEXT : 0;
      const word = id | ((direction | more | this.#availBits) << 16);
      this.#i32[d + 1] = this.#addressHigh;
      if (i === 0 && this.#separatePrefix) {
        this.#i32[d] = (pool.dataOffset[head] - prefix + this.#addressLow) | 0;
        this.#i32[d + 2] = prefix;
      } else {
        const lead = i === 0 ? prefix : 0;
        this.#i32[d] = (pool.dataOffset[buffer] - lead + this.#addressLow) | 0;
        this.#i32[d + 2] = pool.dataLength[buffer] + lead;
        buffer = pool.next[buffer];
      }
      if (i === 0) headWord = word;
      else this.#i32[d + 3] = word;
      this.#advance();
    }
    return headWord;
  }

  #writeIndirect(tables: IndirectTables, id: number, head: number, pool: BufferPool, prefix: number): number {
    // The table of the id, not of the slot: an id is in use once, a slot may be reused before its table is done.
    const entries = tables.write(id, head, pool, prefix, this.#separatePrefix, this.#deviceWrites);
    const d = this.#desc + (this.#next << 2);
    this.#i32[d] = (tables.at(id) + this.#addressLow) | 0;
    this.#i32[d + 1] = this.#addressHigh;
    this.#i32[d + 2] = entries * descriptorBytes;
    const word = id | ((DESC_F_INDIRECT | this.#availBits) << 16);
    this.#advance();
    return word;
  }

  #advance(): void {
    if (++this.#next < this.size) return;
    this.#next = 0;
    this.#availBits ^= availUsed;
  }

  #break(code: QueueFault['code'], detail: string): void {
    this.broken = { code, detail };
  }
}
