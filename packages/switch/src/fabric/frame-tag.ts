import type { PacketBurst } from '@vio/net';
import { growHead, putTag, takeTag, vlanTagBytes } from '@vio/net/internal';
import type { BufferPool } from '@vio/rings';
import { moveOffloads } from './frame-offloads.ts';

/** Puts an 802.1Q tag into frame `i`, in place: its addresses move into the headroom. @param tci priority and VLAN, 16 bits */
export function insertTag(burst: PacketBurst, pool: BufferPool, i: number, tci: number): void {
  putTag(pool.region.u8, burst.offset[i], tci);
  resize(burst, pool, i, vlanTagBytes);
}

/** Makes the tag in front of a frame one of another EtherType (802.1ad): the fabric sees a frame without a tag then. */
export function setTagType(u8: Uint8Array, at: number, type: number): void {
  u8[at + 12] = type >>> 8;
  u8[at + 13] = type & 0xff;
}

/** Takes the tag off frame `i`, in place. */
export function removeTag(burst: PacketBurst, pool: BufferPool, i: number): void {
  takeTag(pool.region.u8, burst.offset[i]);
  resize(burst, pool, i, -vlanTagBytes);
}

function resize(burst: PacketBurst, pool: BufferPool, i: number, bytes: number): void {
  growHead(burst, pool, i, bytes);
  moveOffloads(burst, i, bytes);
}
