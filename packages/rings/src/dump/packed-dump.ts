import { DESC_F_AVAIL, DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_USED } from '../layout/descriptor.ts';
import { RING_EVENT_DESC, RING_EVENT_DISABLE, RING_EVENT_ENABLE } from '../layout/packed-layout.ts';
import { type RawDescriptor, describeDescriptor, readDescriptor, readIndirect } from './descriptors.ts';
import type { ChainDump, EventDump, RingDump, UsedDump } from './ring-dump.ts';
import type { RingMemory, RingView } from './ring-view.ts';

/**
 * A packed ring has no indexes: whose turn a slot is tell its two bits. Buffers the device has taken and overwritten
 * with used ones are in flight without being seen here; the driver counts them.
 */
export function dumpPacked(view: RingView, limit: number): RingDump {
  const slots = Array.from({ length: view.size }, (_, slot) => readDescriptor(view.descriptors, slot, true));
  const available = chains(view, slots);
  return {
    format: 'packed',
    size: view.size,
    broken: view.broken,
    driverEvents: events(view.driver),
    deviceEvents: events(view.device),
    inFlight: view.held?.length ?? available.length,
    listed: available.slice(0, limit),
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

/** Buffers whose first slot is available, in the order of the slots. */
function chains(view: RingView, slots: readonly RawDescriptor[]): ChainDump[] {
  const found: ChainDump[] = [];
  for (let slot = 0; slot < slots.length; slot++) {
    if (!isAvailable(slots[slot])) continue;
    const first = slot;
    while (slot + 1 < slots.length && (slots[slot].flags & DESC_F_NEXT) !== 0) slot++;
    const parts = slots.slice(first, slot + 1);
    const last = parts.at(-1);
    const descriptors = parts.map((raw, i) => describeDescriptor(raw, first + i, true));
    const chain = { head: last?.other ?? 0, descriptors };
    if ((slots[first].flags & DESC_F_INDIRECT) === 0) {
      found.push(chain);
      continue;
    }
    const indirect = readIndirect(view, slots[first]);
    found.push(
      indirect === undefined
        ? { ...chain, wrong: 'its indirect table is not in the memory' }
        : { ...chain, indirect },
    );
  }
  return found;
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
