import type { BufferPool } from '@vio/rings';
import { HDR_F_NEEDS_CSUM, type PacketOffloads } from '../offload/packet-offloads.ts';
import type { PacketBurst } from '../packet-burst.ts';
import { be16 } from '../big-endian.ts';
import { ethernetBytes, typeProviderVlan, typeVlan, vlanTagBytes } from '../packet-headers.ts';
import { addressBytes, growHead, isTagged, putTag, takeTag } from './vlan-tag.ts';

/** Set in `burst.vlan[i]` when there is a tag; the lower 16 bits are the tag control information (802.1Q: PCP, DEI, VID). */
export const VLAN_PRESENT = 0x1_0000;

/** The largest number in a virtio-net header. */
const mostBytes = 0xffff;

/** Bytes of the tags of a frame, of both kinds, two at most. */
export function tagBytes(u8: Uint8Array, offset: number, bytes: number): number {
  let tags = 0;
  for (let at = addressBytes; tags < 8 && at + 6 <= bytes; at += vlanTagBytes, tags += vlanTagBytes) {
    const type = be16(u8, offset + at);
    if (type !== typeVlan && type !== typeProviderVlan) break;
  }
  return tags;
}

/**
 * Takes the tag off every frame of a burst that has one: its addresses move up, its number goes into `vlan`. A frame whose
 * checksum is still to be made over its tag, which no honest device says, keeps it.
 */
export function stripTags(pool: BufferPool, burst: PacketBurst, vlan: Uint32Array, count: number): void {
  const { u8 } = pool.region;
  const { offset, length, segments, buffer, offloads } = burst;
  for (let i = 0; i < count; i++) {
    const at = offset[i];
    const contiguous = segments[i] === 1 ? length[i] : pool.dataLength[buffer[i]];
    if (contiguous < ethernetBytes + vlanTagBytes || !isTagged(u8, at) || isSummed(offloads, i)) {
      vlan[i] = 0;
      continue;
    }
    vlan[i] = VLAN_PRESENT | be16(u8, at + ethernetBytes);
    takeTag(u8, at);
    growHead(burst, pool, i, -vlanTagBytes);
    if (offloads !== undefined) moveUp(offloads, i);
  }
}

/**
 * Puts the tag in `burst.vlan[i]` into frame i: its addresses move down into the headroom. The tag is in the frame then,
 * and no longer in `vlan`, so that a frame the ring had no room for is not tagged twice.
 * @param header bytes of the virtio-net header, which needs room in front as well
 * @returns false when there is not enough headroom, or the frame's offloads do not reach as far: nothing has changed
 */
export function insertTag(
  pool: BufferPool,
  burst: PacketBurst,
  vlan: Uint32Array,
  i: number,
  header: number,
): boolean {
  const { u8 } = pool.region;
  const { offset, buffer, offloads } = burst;
  const start = pool.dataBase + buffer[i] * pool.stride - pool.headroom;
  const at = offset[i];
  if (at - vlanTagBytes - header < start || (offloads !== undefined && !moveDown(offloads, i))) return false;
  putTag(u8, at, vlan[i]);
  growHead(burst, pool, i, vlanTagBytes);
  vlan[i] = 0;
  return true;
}

/** True when the checksum that is still to be made begins in front of the end of the tag. */
function isSummed(offloads: PacketOffloads | undefined, i: number): boolean {
  if (offloads === undefined || (offloads.flags[i] & HDR_F_NEEDS_CSUM) === 0) return false;
  return offloads.checksumStart[i] < addressBytes + vlanTagBytes;
}

/** What is counted from the start of the frame, and lies behind the tag that is gone. */
function moveUp(offloads: PacketOffloads, i: number): void {
  if ((offloads.flags[i] & HDR_F_NEEDS_CSUM) !== 0) offloads.checksumStart[i] -= vlanTagBytes;
  // A hint, which may be any number: 0 says nothing.
  const headers = offloads.headerLength[i];
  offloads.headerLength[i] = headers > vlanTagBytes ? headers - vlanTagBytes : 0;
}

/** What is counted from the start of the frame, and lies behind the tag that is put in. @returns false: it cannot be said */
function moveDown(offloads: PacketOffloads, i: number): boolean {
  const start = offloads.checksumStart[i];
  if ((offloads.flags[i] & HDR_F_NEEDS_CSUM) !== 0 && start >= addressBytes) {
    if (start + vlanTagBytes > mostBytes) return false;
    offloads.checksumStart[i] = start + vlanTagBytes;
  }
  const headers = offloads.headerLength[i];
  if (headers !== 0) offloads.headerLength[i] = Math.min(headers + vlanTagBytes, mostBytes);
  return true;
}
