import type { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import { moveOffloads } from './frame-offloads.ts';

export const tagBytes = 4;
/** Destination and source: what stands in front of a tag. */
const addressBytes = 12;
const etherTypeTag = 0x8100;

/** Puts an 802.1Q tag into frame `i`, in place: its addresses move into the headroom. @param tci priority and VLAN, 16 bits */
export function insertTag(burst: PacketBurst, pool: BufferPool, i: number, tci: number): void {
  const { u8 } = pool.region;
  const from = burst.offset[i];
  const to = from - tagBytes;
  for (let k = 0; k < addressBytes; k++) u8[to + k] = u8[from + k];
  u8[to + 12] = etherTypeTag >>> 8;
  u8[to + 13] = etherTypeTag & 0xff;
  u8[to + 14] = tci >>> 8;
  u8[to + 15] = tci & 0xff;
  resize(burst, pool, i, tagBytes);
}

/** Makes the tag in front of a frame one of another EtherType (802.1ad): the fabric sees a frame without a tag then. */
export function setTagType(u8: Uint8Array, at: number, type: number): void {
  u8[at + 12] = type >>> 8;
  u8[at + 13] = type & 0xff;
}

/** Takes the tag off frame `i`, in place. */
export function removeTag(burst: PacketBurst, pool: BufferPool, i: number): void {
  const { u8 } = pool.region;
  const from = burst.offset[i];
  const to = from + tagBytes;
  for (let k = addressBytes - 1; k >= 0; k--) u8[to + k] = u8[from + k];
  resize(burst, pool, i, -tagBytes);
}

/** True when frame `at` begins with a tag. */
export function isTagged(u8: Uint8Array, at: number): boolean {
  return u8[at + 12] === etherTypeTag >>> 8 && u8[at + 13] === (etherTypeTag & 0xff);
}

function resize(burst: PacketBurst, pool: BufferPool, i: number, bytes: number): void {
  burst.offset[i] -= bytes;
  burst.length[i] += bytes;
  moveOffloads(burst, i, bytes);
  if (burst.segments[i] === 1) return;
  const head = burst.buffer[i];
  pool.dataOffset[head] -= bytes;
  pool.dataLength[head] += bytes;
}
