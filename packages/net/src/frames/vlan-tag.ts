// An 802.1Q tag in a frame: where it stands, and how it comes and goes in place.
import type { BufferPool } from '@vio/rings';
import type { PacketBurst } from '../packet-burst.ts';
import { typeVlan, vlanTagBytes } from '../packet-headers.ts';
import { macBytes } from './mac-address.ts';

/** Bytes of the two addresses, in front of which a tag is never put. */
export const addressBytes = 2 * macBytes;

/** True when the frame at `offset` has an 802.1Q tag; the outer tag of QinQ (802.1ad) is another one. */
export function isTagged(u8: Uint8Array, offset: number): boolean {
  return u8[offset + addressBytes] === typeVlan >>> 8 && u8[offset + addressBytes + 1] === (typeVlan & 0xff);
}

/** Puts a tag into the frame at `from`, which begins 4 bytes earlier then: its addresses move down. @param tci lower 16 bits */
export function putTag(u8: Uint8Array, from: number, tci: number): void {
  const to = from - vlanTagBytes;
  for (let k = 0; k < addressBytes; k++) u8[to + k] = u8[from + k];
  u8[to + 12] = typeVlan >>> 8;
  u8[to + 13] = typeVlan & 0xff;
  u8[to + 14] = (tci >>> 8) & 0xff;
  u8[to + 15] = tci & 0xff;
}

/** Takes the tag off the frame at `from`, which begins 4 bytes later then: its addresses move up. */
export function takeTag(u8: Uint8Array, from: number): void {
  const to = from + vlanTagBytes;
  for (let k = addressBytes - 1; k >= 0; k--) u8[to + k] = u8[from + k];
}

/** Has frame `i` of a burst begin so many bytes earlier (later: less than 0). */
export function growHead(burst: PacketBurst, pool: BufferPool, i: number, bytes: number): void {
  burst.offset[i] -= bytes;
  burst.length[i] += bytes;
  if (burst.segments[i] === 1) return;
  const head = burst.buffer[i];
  pool.dataOffset[head] -= bytes;
  pool.dataLength[head] += bytes;
}
