import { fstatSync } from 'node:fs';
import { type MemoryRegion, closeAll } from '../wire/index.ts';
import { DriverMemory } from './driver-memory.ts';
import type { Handler } from './handlers.ts';
import { vhostError } from './vhost-error.ts';

/** Regions a frontend may add one by one: as many as a virtual machine can have. */
const maxMemorySlots = 509;

/** What this backend does about the driver's memory. */
export const memoryHandlers = {
  SET_MEM_TABLE: (({ device }, regions, fds) => {
    const files = fds.map(fileOf);
    device.setMemory(DriverMemory.map(regions, fds));
    device.claims.replace(regions, files);
  }) satisfies Handler<readonly MemoryRegion[]>,
  GET_MAX_MEM_SLOTS: () => maxMemorySlots,
  ADD_MEM_REG: (({ device }, region, fds) => {
    const file = fileOf(fds[0]);
    if (device.claims.again(region, file)) {
      closeAll(fds);
      return;
    }
    const beside = without(device.memory, device.claims.givingWayTo(region));
    if ((beside?.regions ?? 0) >= maxMemorySlots) {
      closeAll(fds);
      throw vhostError('STATE', `there are ${maxMemorySlots} memory regions already`);
    }
    device.setMemory(DriverMemory.map([region], fds, beside));
    device.claims.add(region, file);
  }) satisfies Handler<MemoryRegion>,
  REM_MEM_REG: (({ device }, region, fds) => {
    closeAll(fds);
    const gone = device.claims.remove(region);
    if (gone === undefined) {
      throw vhostError('STATE', `no memory region at 0x${region.guestAddress.toString(16)} can be removed`);
    }
    const rest = gone === null ? null : without(device.memory, [gone]);
    if (rest !== null) device.setMemory(rest);
  }) satisfies Handler<MemoryRegion>,
};

/** Which file it is, by whatever descriptor. */
function fileOf(fd: number): string {
  const { dev, ino } = fstatSync(fd);
  return `${dev}:${ino}`;
}

function without(memory: DriverMemory | null, regions: readonly MemoryRegion[]): DriverMemory | null {
  return regions.reduce((rest, region) => rest?.without(region) ?? rest, memory);
}
