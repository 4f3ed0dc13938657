// A ring for others than its data path: a vDPA device that is lent it, and whoever wants to look.
import { type QueueFault, type RingView, type WindowOffset, ringFeatures } from '@vio/rings';
import type { DriverMemory } from './driver-memory.ts';
import { type RingWhereabouts, findBuffer, isPlaced, locateParts, startOf } from './ring-parts.ts';

/** A ring for somebody else to work on: where it goes on, and guest addresses of its parts. */
export interface LentRing {
  readonly base: number;
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
}

/** @throws VioError VIO_VHOST_RING when a part of the ring is not in the driver's memory, or is at no base that a ring has */
export function lendRing(ring: RingWhereabouts, memory: DriverMemory, features: bigint): LentRing {
  const places = locateParts(ring, memory, features);
  const at = ({ window, offset }: WindowOffset): number => memory.map.guestBase[window] + offset;
  return {
    base: startOf(ring, memory, places, ringFeatures(features).format === 'packed'),
    descriptors: at(places.descriptors),
    driver: at(places.driver),
    device: at(places.device),
  };
}

/** The ring as it lies in the driver's memory, broken or not; undefined while its place is not known. */
export function viewRing(
  ring: RingWhereabouts & { readonly fault: QueueFault | undefined },
  memory: DriverMemory,
  features: bigint,
): RingView | undefined {
  if (ring.addresses === undefined || ring.size === 0) return undefined;
  const { format, eventIdx } = ringFeatures(features);
  if (!isPlaced(ring, features)) return undefined;
  const { descriptors, driver, device } = locateParts(ring, memory, features);
  const { windows } = memory.map;
  const place = ({ window, offset }: WindowOffset) => ({ region: windows[window].region, offset });
  return {
    format,
    size: ring.size,
    eventIdx,
    descriptors: place(descriptors),
    driver: place(driver),
    device: place(device),
    broken: ring.fault,
    held: undefined,
    find: (address, bytes) => {
      const found = findBuffer(ring, memory, Number(address), bytes);
      return found === undefined ? undefined : place(found);
    },
  };
}
