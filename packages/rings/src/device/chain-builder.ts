import { singlesJob } from '@vio/native/internal';
import type { QueueFault, QueueFaultCode } from '../fault.ts';
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, descriptorBytes } from '../layout/descriptor.ts';
import { translationPage } from '../memory/iotlb.ts';
import type { MemoryMap } from '../memory/memory-map.ts';
import { ChainBurst } from './chain-burst.ts';

/** Who decides which way the buffers of a packed indirect table go; see `DeviceQueueOptions`. */
export type IndirectDirection = 'flags' | 'readable' | 'writable';

/** Before the first chain. */
const none = new ChainBurst(1, 1);

/**
 * Turns the descriptors of one chain into translated segments of a `ChainBurst`. This is the general path: chains,
 * indirect tables, buffers that straddle windows. The queues inline the common case, one direct descriptor inside
 * the window used last, over `window`, `low`, `high` and `bytes`.
 *
 * Ring descriptors arrive here as numbers, table entries are copied to the heap first: nothing is read from shared
 * memory twice. The methods answer false when the chain is refused, and `fault` says why; without one the burst is
 * full, and the chain is for the next. Only for the chain that is first in line does a fault break the queue.
 */
export class ChainBuilder {
  /**
   * The piece of memory used last: index of the window, guest address in halves, size, and where in the window it begins. No single
   * may lie in a piece of 0 bytes.
   */
  window = 0;
  low: number;
  high: number;
  bytes: number;
  startOffset = 0;
  fault: QueueFault | undefined;
  /** A chain was refused because the translation of an address is not known (yet). */
  missed = false;
  /** Chains are only looked at: what is missing of their translations is asked for, and nothing is told of them. */
  peeking = false;
  /** Where `locate` has found something: its window, and the byte offset there. */
  protected foundWindow = 0;
  protected foundOffset = 0;

  protected readonly memory: MemoryMap;
  /** Most descriptors of a chain, those of its indirect table included: the queue size (spec 2.7.5.3.1, 2.8.17). */
  readonly #limit: number;
  readonly #indirect: boolean;
  readonly #entry = new Int32Array(4);
  protected readonly entryBytes = new Uint8Array(this.#entry.buffer);
  /** The window the last indirect table was in. */
  #tableWindow = 0;

  #chains = none;
  #first = 0;
  #segment = 0;
  #descriptors = 0;
  /** Descriptors in front of an indirect table, and the one of the table; 0: there is no table. */
  #held = 0;
  /** Descriptors the chain may have before the burst is full. */
  #budget = 0;
  #writableSeen = false;
  #readable = 0;
  #readableBytes = 0;
  #writableBytes = 0;

  constructor(memory: MemoryMap, limit: number, indirect: boolean) {
    this.memory = memory;
    this.#limit = limit;
    this.#indirect = indirect;
    this.low = memory.guestLow[0];
    this.high = memory.guestHigh[0];
    this.bytes = memory.size[0];
  }

  /** What a kernel is told of indirect tables (`singlesJob.tables`). */
  tablesFor(direction: IndirectDirection): number {
    if (!this.#indirect) return 0;
    return direction === 'flags' ? 1 : direction === 'readable' ? 2 : 3;
  }

  /** Looks in another window first from now on. */
  lookIn(window: number): void {
    this.window = window;
    this.low = this.memory.guestLow[window];
    this.high = this.memory.guestHigh[window];
    this.bytes = this.memory.size[window];
  }

  /** Tells a kernel the window used last. */
  lendWindow(job: Int32Array): void {
    job[singlesJob.data] = this.window;
    job[singlesJob.low] = this.low;
    job[singlesJob.high] = this.high;
    job[singlesJob.bytes] = this.bytes;
    job[singlesJob.dataAt] = this.startOffset;
  }

  /** Translations have changed, where there are any. */
  forget(): void {}

  /** Forgets what an earlier chain was refused for. */
  clear(): void {
    this.fault = undefined;
    this.missed = false;
  }

  /** Starts a chain, as entry `i` of the burst, whose segments go to `segment` and up. */
  begin(chains: ChainBurst, i: number, segment: number): void {
    this.#chains = chains;
    // A burst takes its first chain whatever that is made of.
    this.#budget = i === 0 ? this.#limit : chains.segmentCapacity - chains.descriptors;
    this.#held = 0;
    this.#first = segment;
    this.#segment = segment;
    this.#descriptors = 0;
    this.#writableSeen = false;
    this.#readable = 0;
    this.#readableBytes = 0;
    this.#writableBytes = 0;
  }

  /** Adds the buffer of one descriptor: no segment when it is empty, one per window it lies in otherwise. */
  addBuffer(low: number, high: number, length: number, writable: boolean): boolean {
    if (++this.#descriptors > this.#limit) {
      return this.fail('CHAIN_TOO_LONG', `a chain has more than the ${this.#limit} descriptors of the queue`);
    }
    if (this.#descriptors > this.#budget) return false;
    if (writable) this.#writableSeen = true;
    else if (this.#writableSeen) {
      return this.fail('DESCRIPTOR_ORDER', 'a device-readable descriptor follows a device-writable one');
    }
    const chains = this.#chains;
    const bytes = length >>> 0;
    let address = toAddress(low, high);
    for (let left = bytes; left > 0;) {
      let piece = this.locate(address, left, writable);
      if (piece === 0) return this.#unmapped(low, high, bytes);
      if (piece < 0) {
        this.missed = true;
        if (!this.peeking) return false;
        piece = Math.min(left, translationPage - (address % translationPage));
        address += piece;
        left -= piece;
        continue;
      }
      if (this.#segment === chains.segmentCapacity) {
        if (this.#first > 0) return false;
        return this.fail('CHAIN_TOO_LONG', `a chain needs more than ${chains.segmentCapacity} segments`);
      }
      chains.window[this.#segment] = this.foundWindow;
      chains.offset[this.#segment] = this.foundOffset;
      chains.length[this.#segment] = piece;
      this.#segment++;
      if (!writable) this.#readable++;
      address += piece;
      left -= piece;
    }
    if (writable) this.#writableBytes += bytes;
    else this.#readableBytes += bytes;
    return true;
  }

  /** Adds what a split indirect table holds: entries linked by `next`, from entry 0 on (spec 2.7.5.3). */
  addSplitTable(low: number, high: number, length: number, next: boolean): boolean {
    if (!this.#checkTable(length, next)) return false;
    this.#held = this.#descriptors + 1;
    const table = toAddress(low, high);
    const entries = length >>> 4;
    const entry = this.#entry;
    let index = 0;
    for (let visited = 1; ; visited++) {
      if (visited > entries)
        return this.fail('DESCRIPTOR_LOOP', `an indirect table of ${entries} has a loop`);
      if (!this.load(table + index * descriptorBytes, this.#entry))
        return this.#unmapped(low, high, length >>> 0);
      const flags = entry[3];
      if ((flags & DESC_F_INDIRECT) !== 0) {
        return this.fail('INDIRECT_NESTED', `entry ${index} of an indirect table is indirect itself`);
      }
      if (!this.addBuffer(entry[0], entry[1], entry[2], (flags & DESC_F_WRITE) !== 0)) return false;
      if ((flags & DESC_F_NEXT) === 0) return true;
      index = flags >>> 16;
      if (index >= entries) {
        return this.fail('DESCRIPTOR_INDEX_INVALID', `next is ${index} in an indirect table of ${entries}`);
      }
    }
  }

  /** Adds what a packed indirect table holds: all entries in order, whatever their flags (spec 2.8.7). */
  addPackedTable(
    low: number,
    high: number,
    length: number,
    next: boolean,
    direction: IndirectDirection,
  ): boolean {
    if (!this.#checkTable(length, next)) return false;
    this.#held = this.#descriptors + 1;
    const table = toAddress(low, high);
    const entries = length >>> 4;
    const entry = this.#entry;
    for (let index = 0; index < entries; index++) {
      if (!this.load(table + index * descriptorBytes, this.#entry))
        return this.#unmapped(low, high, length >>> 0);
      const writable =
        direction === 'flags' ? ((entry[3] >>> 16) & DESC_F_WRITE) !== 0 : direction === 'writable';
      if (!this.addBuffer(entry[0], entry[1], entry[2], writable)) return false;
    }
    return true;
  }

  /** Finishes the chain as entry `i` of the burst. @returns where the next chain's segments start */
  end(i: number, id: number, slots: number): number {
    const chains = this.#chains;
    chains.id[i] = id;
    chains.slots[i] = slots;
    chains.held[i] = this.#held === 0 ? this.#descriptors : this.#held;
    chains.parts[i] = this.#descriptors;
    chains.descriptors += this.#descriptors;
    chains.firstSegment[i] = this.#first;
    chains.readable[i] = this.#readable;
    chains.readableBytes[i] = Math.min(this.#readableBytes, 0x7fff_ffff);
    chains.writableBytes[i] = Math.min(this.#writableBytes, 0x7fff_ffff);
    return this.#segment;
  }

  fail(code: QueueFaultCode, detail: string): false {
    this.fault = { code, detail };
    return false;
  }

  #checkTable(length: number, next: boolean): boolean {
    if (!this.#indirect) {
      return this.fail(
        'INDIRECT_NOT_NEGOTIATED',
        'an indirect descriptor, but INDIRECT_DESC was not negotiated',
      );
    }
    if (next) return this.fail('INDIRECT_WITH_NEXT', 'a descriptor has both INDIRECT and NEXT');
    if (length === 0 || (length & 15) !== 0) {
      return this.fail(
        'INDIRECT_LENGTH',
        `an indirect table of ${length >>> 0} bytes is not a multiple of 16`,
      );
    }
    return true;
  }

  /**
   * Finds what lies at an address, and remembers the piece it is in.
   * @returns bytes of it in one piece, at most `left`; 0: nothing lies there; -1: that is not known
   */
  protected locate(address: number, left: number, _writable: boolean): number {
    const { guestBase, size } = this.memory;
    const window = this.memory.find(address);
    if (window < 0) return 0;
    const offset = address - guestBase[window];
    this.foundWindow = window;
    this.foundOffset = offset;
    this.lookIn(window);
    const room = size[window] - offset;
    return room < left ? room : left;
  }

  /** Copies the 16 bytes of a table entry. The table may straddle windows and need not be aligned. */
  protected load(address: number, entry: Int32Array): boolean {
    const { guestBase, size, windows } = this.memory;
    let offset = address - guestBase[this.#tableWindow];
    if (!(offset >= 0 && offset < size[this.#tableWindow])) {
      const window = this.memory.find(address);
      if (window < 0) return false;
      this.#tableWindow = window;
      offset = address - guestBase[window];
    }
    if (offset % 4 === 0 && offset + 16 <= size[this.#tableWindow]) {
      const words = windows[this.#tableWindow].region.i32;
      const at = offset / 4;
      entry[0] = words[at];
      entry[1] = words[at + 1];
      entry[2] = words[at + 2];
      entry[3] = words[at + 3];
      return true;
    }
    for (let i = 0; i < 16; i++) {
      const window = this.memory.find(address + i);
      if (window < 0) return false;
      this.entryBytes[i] = windows[window].region.u8[address + i - guestBase[window]];
    }
    return true;
  }

  #unmapped(low: number, high: number, bytes: number): false {
    if (this.missed) return false;
    const address = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    return this.fail(
      'ADDRESS_UNMAPPED',
      `${bytes} bytes at 0x${address.toString(16)} are not all in guest memory`,
    );
  }
}

/** From 2^53 on a double is not exact, but no window reaches up there either: such addresses are found in none. */
function toAddress(low: number, high: number): number {
  return (high >>> 0) * 0x1_0000_0000 + (low >>> 0);
}
