import { DESC_F_AVAIL, DESC_F_USED } from '../layout/descriptor.ts';
import type { DriverQueue } from '../driver/driver-queue.ts';
import type { RingView } from './ring-view.ts';

/** Where one side goes on: a slot, which is a descriptor of a packed ring, and an entry of a split one's two lists. */
export interface RingPlace {
  /** 0 to size - 1. */
  readonly slot: number;
  /** Packed: the wrap counter there, 0 or 1. */
  readonly wrap?: number;
  /** Split: the free-running index, 0 to 65535. */
  readonly index?: number;
}

/**
 * Where the two sides of a ring have got to. From the device's place backwards lie `used` slots, from there on `held` ones, behind
 * them `available` ones, and all others are the driver's.
 */
export interface RingPositions {
  /** What the driver makes available next. */
  readonly driver: RingPlace;
  /** What the device marks used next. */
  readonly device: RingPlace;
  /** Slots that are used, and that the driver has not taken back. Only a driver knows. */
  readonly used?: number;
  /** Slots in the device's hands. A driver sees no difference between those and what is available. */
  readonly held: number;
  /** Slots that are available, and that the device has not fetched. Only a device knows. */
  readonly available?: number;
}

/** A ring as its driver sees it; costs a few loads, whatever its size. */
export function driverPositions(queue: DriverQueue): RingPositions {
  const { format, size } = queue;
  const [next, base] = [queue.nextAvailable(), queue.base()];
  if (format === 'split') {
    const index = base & 0xffff;
    const held = Math.min((next - index) & 0xffff, size);
    return {
      driver: { slot: next & (size - 1), index: next },
      device: { slot: index & (size - 1), index },
      used: Math.max(0, queue.outstanding - held),
      held,
    };
  }
  const [driver, device] = [packedPlace(next), packedPlace(base >>> 16)];
  const held = distance(device, driver, size);
  return { driver, device, used: Math.max(0, size - queue.free - held), held };
}

/**
 * A ring as its device sees it. Trusts nothing that is in the memory, and costs a few loads, whatever the ring's size.
 * @param base of the device, see `DeviceQueue.base()`
 */
export function devicePositions(view: RingView, base: number): RingPositions {
  const { size, driver, device } = view;
  if (view.format === 'split') {
    const made = driver.region.u16[(driver.offset >>> 1) + 1];
    const index = device.region.u16[(device.offset >>> 1) + 1];
    return {
      driver: { slot: made & (size - 1), index: made },
      device: { slot: index & (size - 1), index },
      held: Math.min((base - index) & 0xffff, size),
      available: Math.min((made - base) & 0xffff, size),
    };
  }
  const [fetched, done] = [packedPlace(base), packedPlace(base >>> 16)];
  const held = distance(done, fetched, size);
  const available = availableFrom(view, fetched, size - held);
  return { driver: further(fetched, available, size), device: done, held, available };
}

interface PackedPlace extends RingPlace {
  readonly wrap: number;
}

function packedPlace(half: number): PackedPlace {
  return { slot: half & 0x7fff, wrap: (half >>> 15) & 1 };
}

function further({ slot, wrap }: PackedPlace, count: number, size: number): PackedPlace {
  const at = slot + count;
  return at < size ? { slot: at, wrap } : { slot: at - size, wrap: wrap ^ 1 };
}

function distance(from: PackedPlace, to: PackedPlace, size: number): number {
  const slots = to.slot - from.slot + (from.wrap === to.wrap ? 0 : size);
  return Math.max(0, Math.min(slots, size));
}

/** How many slots in a row are available: they are no more once one is not, so half of what is left is asked each time. */
function availableFrom({ descriptors, size }: RingView, from: PackedPlace, most: number): number {
  const { region, offset } = descriptors;
  const isAvailable = (count: number): boolean => {
    const { slot, wrap } = further(from, count, size);
    const flags = region.u16[(offset >>> 1) + 8 * slot + 7] & (DESC_F_AVAIL | DESC_F_USED);
    return flags === (wrap === 1 ? DESC_F_AVAIL : DESC_F_USED);
  };
  let least = 0;
  for (let end = most; least < end;) {
    const middle = (least + end) >>> 1;
    if (isAvailable(middle)) least = middle + 1;
    else end = middle;
  }
  return least;
}
