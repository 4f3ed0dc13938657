import type { BufferPool } from '@vio/rings';
import type { PacketBurst } from '../packet-burst.ts';
import { InternetChecksum } from './checksum.ts';
import { HDR_F_NEEDS_CSUM, type PacketOffloads } from './packet-offloads.ts';

/** Reused for every packet. */
const sum = new InternetChecksum();

/**
 * Completes the checksum of packet `i`, if it was left to whoever gets it (NEEDS_CSUM), where the packet lies; it may be in
 * several buffers. The entry of `offloads` says afterwards that nothing is left to do.
 * @param offloads what the packet's header says; validated: its checksum lies in the packet
 * @param entry of `offloads`
 */
export function completePacket(
  pool: BufferPool,
  burst: PacketBurst,
  i: number,
  offloads: PacketOffloads,
  entry: number,
): void {
  if ((offloads.flags[entry] & HDR_F_NEEDS_CSUM) === 0) return;
  const start = offloads.checksumStart[entry];
  exchangeWord(pool, burst, i, start + offloads.checksumOffset[entry], checksumFrom(pool, burst, i, start));
  offloads.clear(entry);
}

/** The checksum of packet `i` from byte `start` on: what goes where the pseudo-header's sum is. */
export function checksumFrom(pool: BufferPool, burst: PacketBurst, i: number, start: number): number {
  const { u8 } = pool.region;
  sum.reset();
  if (burst.segments[i] === 1) {
    sum.add(u8, burst.offset[i] + start, burst.offset[i] + burst.length[i]);
  } else {
    let skip = start;
    for (let b = burst.buffer[i]; b !== -1; b = pool.next[b]) {
      const length = pool.dataLength[b];
      if (skip < length) sum.add(u8, pool.dataOffset[b] + skip, pool.dataOffset[b] + length);
      skip = skip < length ? 0 : skip - length;
    }
  }
  // 0 means "no checksum" to UDP; the other zero means the same number.
  const { value } = sum;
  return value === 0 ? 0xffff : value;
}

/** Stores 16 bits, high byte first, at byte `at` of packet `i`. @returns those that were there */
export function exchangeWord(
  pool: BufferPool,
  burst: PacketBurst,
  i: number,
  at: number,
  value: number,
): number {
  const high = exchangeByte(pool, burst, i, at, value >>> 8);
  return (high << 8) | exchangeByte(pool, burst, i, at + 1, value & 0xff);
}

function exchangeByte(pool: BufferPool, burst: PacketBurst, i: number, at: number, value: number): number {
  const { u8 } = pool.region;
  let where = burst.offset[i] + at;
  if (burst.segments[i] !== 1) {
    let skip = at;
    let b = burst.buffer[i];
    while (skip >= pool.dataLength[b]) {
      skip -= pool.dataLength[b];
      b = pool.next[b];
      // Beyond the packet: nobody asks for that.
      if (b === -1) return 0;
    }
    where = pool.dataOffset[b] + skip;
  }
  const before = u8[where];
  u8[where] = value;
  return before;
}
