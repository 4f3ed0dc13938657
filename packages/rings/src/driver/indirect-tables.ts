import { driverJob } from '@vio/native/internal';
import type { BufferPool } from '../memory/buffer-pool.ts';
import type { Region } from '../memory/region.ts';
import { DESC_F_NEXT, DESC_F_WRITE, descriptorBytes, descriptorWords } from '../layout/descriptor.ts';

/** Descriptors per table, where nobody says otherwise. */
export const defaultIndirectEntries = 8;

/**
 * One table of descriptors per ring slot, behind the ring. A table is written by the driver before its descriptor is
 * exposed and not touched until that descriptor comes back.
 */
export class IndirectTables {
  /** Descriptors per table. */
  readonly entries: number;
  /** Longest list a table may hold: no longer than the ring either (virtio 1.4, 2.7.5.3.1 and 2.8.19). */
  readonly limit: number;
  readonly #i32: Int32Array;
  readonly #base: number;
  readonly #addressLow: number;
  readonly #addressHigh: number;
  /** Split tables chain their entries by NEXT; packed tables are read in order and may only carry WRITE. */
  readonly #chained: boolean;

  /** @param offset byte offset of the first table, a multiple of 16 */
  constructor(region: Region, offset: number, entries: number, size: number, chained: boolean) {
    this.#i32 = region.i32;
    this.#base = offset;
    this.#addressLow = region.addressLow;
    this.#addressHigh = region.addressHigh;
    this.entries = entries;
    this.limit = Math.min(entries, size);
    this.#chained = chained;
  }

  /** Says to a kernel where the tables are. */
  describe(job: Int32Array): void {
    job[driverJob.tables] = this.#base;
    job[driverJob.tableEntries] = this.entries;
  }

  /** Byte offset of the table of a slot. */
  at(slot: number): number {
    return this.#base + slot * this.entries * descriptorBytes;
  }

  /**
   * Writes a packet's segments into the table of a slot; returns the table's length in descriptors.
   * @param prefix bytes in front of the first segment
   * @param separatePrefix whether the prefix gets an entry of its own
   */
  write(
    slot: number,
    head: number,
    pool: BufferPool,
    prefix: number,
    separatePrefix: boolean,
    deviceWrites: boolean,
  ): number {
    const i32 = this.#i32;
    const start = this.at(slot) >>> 2;
    const flags = deviceWrites ? DESC_F_WRITE : 0;
    let n = 0;
    let lead = prefix;
    if (separatePrefix) {
      this.#put(start, 0, pool.dataOffset[head] - prefix, prefix, flags);
      n = 1;
      lead = 0;
    }
    for (let b = head; b !== -1; b = pool.next[b]) {
      this.#put(start + n * descriptorWords, n, pool.dataOffset[b] - lead, pool.dataLength[b] + lead, flags);
      n++;
      lead = 0;
    }
    // The last entry ends the chain.
    if (this.#chained) i32[start + (n - 1) * descriptorWords + 3] = flags;
    return n;
  }

  #put(word: number, index: number, offset: number, length: number, flags: number): void {
    const i32 = this.#i32;
    i32[word] = (offset + this.#addressLow) | 0;
    i32[word + 1] = this.#addressHigh;
    i32[word + 2] = length;
    i32[word + 3] = this.#chained ? flags | DESC_F_NEXT | ((index + 1) << 16) : flags << 16;
  }
}

/** Bytes of the tables of a ring. */
export function indirectTableBytes(size: number, entries: number): number {
  return size * entries * descriptorBytes;
}
