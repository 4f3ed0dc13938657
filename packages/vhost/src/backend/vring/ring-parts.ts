import {
  type DeviceVringAddresses,
  type QueueFault,
  type WindowOffset,
  freshPackedBase,
  ringFeatures,
  splitBaseFromUsedRing,
} from '@vio/rings';
import type { Iotlb } from '@vio/rings/internal';
import type { VringAddress } from '../../wire/index.ts';
import { vhostError } from '../errors/vhost-error.ts';
import type { DriverMemory } from './driver-memory.ts';

/** What a frontend has said of where a ring lies. */
export interface RingWhereabouts {
  readonly index: number;
  /** Descriptors. */
  readonly size: number;
  readonly base: number | undefined;
  readonly addresses: VringAddress | undefined;
  /** Where its addresses lead, behind an I/O MMU. */
  readonly translation: Iotlb | undefined;
}

/** A part of a ring: its name, address, bytes, and whether the device writes it. */
type RingPart = [name: string, address: number, bytes: number, written: boolean];

/** What the ring is made of: descriptors, driver area, device area. */
export function partsOf(
  { addresses, size }: RingWhereabouts,
  features: bigint,
): [RingPart, RingPart, RingPart] {
  if (addresses === undefined) throw new TypeError('the ring has no addresses yet');
  const { format, eventIdx } = ringFeatures(features);
  const packed = format === 'packed';
  const event = eventIdx ? 2 : 0;
  return [
    ['descriptors', addresses.descriptors, 16 * size, packed],
    ['driver area', addresses.driver, packed ? 4 : 4 + event + 2 * size, false],
    ['device area', addresses.device, packed ? 4 : 4 + event + 8 * size, true],
  ];
}

/** @throws VioError VIO_VHOST_RING when a part of the ring is not in the driver's memory */
export function locateParts(
  ring: RingWhereabouts,
  memory: DriverMemory,
  features: bigint,
): DeviceVringAddresses {
  const { index, translation } = ring;
  const find = ([name, address, bytes, written]: RingPart): WindowOffset => {
    const user = translation === undefined ? address : translation.place(address, bytes, written);
    const found = typeof user === 'number' ? memory.map.fromUser(user, bytes) : undefined;
    if (found !== undefined) return found;
    throw vhostError(
      'RING',
      `the ${name} of ring ${index} at 0x${address.toString(16)} is not in the shared memory`,
    );
  };
  const [descriptors, driver, device] = partsOf(ring, features);
  return { descriptors: find(descriptors), driver: find(driver), device: find(device) };
}

/** What is known to be at a place of the driver's; nothing is asked for. */
export function findBuffer(
  { translation }: RingWhereabouts,
  memory: DriverMemory,
  address: number,
  bytes: number,
): WindowOffset | undefined {
  if (translation === undefined) return memory.map.fromGuest(address, bytes);
  const user = translation.userAt(address, bytes);
  return user === undefined ? undefined : memory.map.fromUser(user, bytes);
}

/** True when it is known where all of the ring lies; nothing is asked for. */
export function isPlaced(ring: RingWhereabouts, features: bigint): boolean {
  const { translation } = ring;
  if (translation === undefined) return true;
  return partsOf(ring, features).every(
    ([, address, bytes]) => translation.userAt(address, bytes) !== undefined,
  );
}

/**
 * Behind an I/O MMU: looks whether all of the ring is translated, and asks for what is missing.
 * @returns undefined: it is, or needs not be; 'unknown': something was asked for; else why it cannot run
 */
export function translateParts(ring: RingWhereabouts, features: bigint): QueueFault | 'unknown' | undefined {
  const { index, translation } = ring;
  if (translation === undefined) return undefined;
  let unknown = false;
  for (const [name, address, bytes, written] of partsOf(ring, features)) {
    const place = translation.place(address, bytes, written);
    if (place === 'unknown') unknown = true;
    else if (typeof place !== 'number') return unmappedPart(index, name, address, place);
  }
  return unknown ? 'unknown' : undefined;
}

/**
 * Where a ring begins to run. A split ring is continued where its own used index says, whatever base was given: DPDK's
 * frontend says 0 for a ring that has been in use.
 */
export function startOf(
  { base, size }: RingWhereabouts,
  memory: DriverMemory,
  places: DeviceVringAddresses,
  packed: boolean,
): number {
  if (!packed) return splitBaseFromUsedRing(memory.map, places, size, base ?? 0);
  return base === undefined ? freshPackedBase : bothHalves(base);
}

/** Some frontends give only the lower half of a packed ring's base: both positions are the same then. */
export function bothHalves(base: number): number {
  return base > 0xffff ? base : (base | (base << 16)) >>> 0;
}

function unmappedPart(index: number, name: string, address: number, why: 'none' | 'scattered'): QueueFault {
  const what = `the ${name} of ring ${index} at I/O address 0x${address.toString(16)}`;
  const detail =
    why === 'none' ? `${what} has no translation` : `${what} is in several pieces of the shared memory`;
  return { code: 'ADDRESS_UNMAPPED', detail };
}
