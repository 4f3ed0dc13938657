import { DESC_F_INDIRECT, DESC_F_NEXT } from '../layout/descriptor.ts';
import { AVAIL_F_NO_INTERRUPT, USED_F_NO_NOTIFY } from '../layout/split-layout.ts';
import {
  besides,
  describeDescriptor,
  flagsAndNext,
  mostDescriptors,
  readDescriptor,
  readIndirect,
} from './descriptors.ts';
import type { ChainDump, DescriptorDump, EventDump, RingDump, UsedDump } from './ring-dump.ts';
import type { RingView } from './ring-view.ts';

export function dumpSplit(view: RingView, limit: number): RingDump {
  const { size, driver, device } = view;
  const mask = size - 1;
  const avail = driver.offset >>> 1;
  const used = device.offset >>> 1;
  const { u16 } = driver.region;
  const availableIndex = u16[avail + 1];
  const usedIndex = device.region.u16[used + 1];
  const held =
    view.held ?? between(usedIndex, availableIndex, size).map((at) => u16[avail + 2 + (at & mask)]);
  return {
    format: 'split',
    size,
    broken: view.broken,
    availableIndex,
    usedIndex,
    driverEvents: events(u16[avail], AVAIL_F_NO_INTERRUPT, view.eventIdx ? u16[avail + 2 + size] : undefined),
    deviceEvents: events(
      device.region.u16[used],
      USED_F_NO_NOTIFY,
      view.eventIdx ? device.region.u16[used + 2 + 4 * size] : undefined,
    ),
    inFlight: held.length,
    listed: held.slice(0, limit).map((head) => chain(view, head)),
    used: lastUsed(view, usedIndex, Math.min(limit, size)),
  };
}

/** The free-running indexes from one to another; none when they cannot be of one ring. */
function between(from: number, to: number, size: number): number[] {
  const count = (to - from) & 0xffff;
  return count > size ? [] : Array.from({ length: count }, (_, i) => (from + i) & 0xffff);
}

function events(flags: number, silence: number, event: number | undefined): EventDump {
  const meaning = event !== undefined ? 'at descriptor' : (flags & silence) === 0 ? 'enabled' : 'disabled';
  return { flags, meaning, ...(event === undefined ? {} : { event }) };
}

function chain(view: RingView, head: number): ChainDump {
  const descriptors: DescriptorDump[] = [];
  const { size } = view;
  let slot = head;
  for (let length = 1; length <= size; length++) {
    const untold = besides(length - 1 - descriptors.length);
    if (slot >= size) return { head, descriptors, ...untold, wrong: `there is no descriptor ${slot}` };
    const last = flagsAndNext(view.descriptors, slot);
    if (descriptors.length < mostDescriptors)
      descriptors.push(describeDescriptor(readDescriptor(view.descriptors, slot, false), slot, false));
    const more = length - descriptors.length;
    if ((last & DESC_F_INDIRECT) !== 0) {
      const indirect = readIndirect(view, readDescriptor(view.descriptors, slot, false));
      return indirect === undefined
        ? { head, descriptors, ...besides(more), wrong: 'its indirect table is not in the memory' }
        : { head, descriptors, indirect: indirect.entries, ...besides(more + indirect.more) };
    }
    if ((last & DESC_F_NEXT) === 0) return { head, descriptors, ...besides(more) };
    slot = last >>> 16;
  }
  return { head, descriptors, ...besides(size - descriptors.length), wrong: 'it goes round in a circle' };
}

function lastUsed({ size, device }: RingView, usedIndex: number, count: number): UsedDump[] {
  const ring = (device.offset >>> 2) + 1;
  const { i32 } = device.region;
  return Array.from(
    { length: Math.min(count, usedIndex) },
    (_, i, at = usedIndex - Math.min(count, usedIndex) + i) => {
      const slot = at & (size - 1);
      return { slot, id: i32[ring + 2 * slot] >>> 0, length: i32[ring + 2 * slot + 1] >>> 0 };
    },
  );
}
