import { DESC_F_AVAIL, DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_USED } from '../layout/descriptor.ts';
import { RING_EVENT_DESC, RING_EVENT_DISABLE, RING_EVENT_ENABLE } from '../layout/packed-layout.ts';
import {
  type RawDescriptor,
  besides,
  describeDescriptor,
  mostDescriptors,
  readDescriptor,
  readIndirect,
} from './descriptors.ts';
import type { ChainDump, EventDump, RingDump, UsedDump } from './ring-dump.ts';
import type { RingMemory, RingView } from './ring-view.ts';

/**
 * A packed ring has no indexes: whose turn a slot is tell its two bits. Buffers the device has taken and overwritten
 * with used ones are in flight without being seen here; the driver counts them.
 */
export function dumpPacked(view: RingView, limit: number): RingDump {
  const slots = Array.from({ length: view.size }, (_, slot) => readDescriptor(view.descriptors, slot, true));
  const { found, count } = chains(view, slots, limit);
  return {
    format: 'packed',
    size: view.size,
    broken: view.broken,
    driverEvents: events(view.driver),
    deviceEvents: events(view.device),
    inFlight: view.held?.length ?? count,
    listed: found,
    used: usedSlots(slots).slice(-limit),
  };
}

function events({ region, offset }: RingMemory): EventDump {
  const [where, flags] = [region.u16[offset >>> 1], region.u16[(offset >>> 1) + 1]];
  switch (flags & 3) {
    case RING_EVENT_ENABLE:
      return { flags, meaning: 'enabled' };
    case RING_EVENT_DISABLE:
      return { flags, meaning: 'disabled' };
    case RING_EVENT_DESC:
      return { flags, meaning: 'at descriptor', event: where & 0x7fff, wrap: where >>> 15 };
    default:
      return { flags, meaning: 'reserved' };
  }
}

const isAvailable = ({ flags }: RawDescriptor): boolean =>
  ((flags & DESC_F_AVAIL) !== 0) !== ((flags & DESC_F_USED) !== 0);

/** Buffers whose first slot is available, in the order of the slots: the first of them, and how many there are. */
function chains(
  view: RingView,
  slots: readonly RawDescriptor[],
  limit: number,
): { readonly found: ChainDump[]; readonly count: number } {
  const found: ChainDump[] = [];
  let count = 0;
  for (let slot = 0; slot < slots.length; slot++) {
    if (!isAvailable(slots[slot])) continue;
    const first = slot;
    while (slot + 1 < slots.length && (slots[slot].flags & DESC_F_NEXT) !== 0) slot++;
    count++;
    if (found.length < limit) found.push(chain(view, slots, first, slot));
  }
  return { found, count };
}

function chain(view: RingView, slots: readonly RawDescriptor[], first: number, last: number): ChainDump {
  const told = Math.min(last - first + 1, mostDescriptors);
  const descriptors = slots
    .slice(first, first + told)
    .map((raw, i) => describeDescriptor(raw, first + i, true));
  const head = slots[last].other;
  const more = last - first + 1 - told;
  if ((slots[first].flags & DESC_F_INDIRECT) === 0) return { head, descriptors, ...besides(more) };
  const indirect = readIndirect(view, slots[first]);
  return indirect === undefined
    ? { head, descriptors, ...besides(more), wrong: 'its indirect table is not in the memory' }
    : { head, descriptors, indirect: indirect.entries, ...besides(more + indirect.more) };
}

/** Slots the device wrote: both bits alike, and not as at the very beginning. */
function usedSlots(slots: readonly RawDescriptor[]): UsedDump[] {
  const both = DESC_F_AVAIL | DESC_F_USED;
  return slots.flatMap((raw, slot) => {
    const turn = raw.flags & both;
    const fresh = turn === 0 && raw.address === 0n && raw.length === 0;
    return isAvailable(raw) || fresh ? [] : [{ slot, id: raw.other, length: raw.length }];
  });
}
