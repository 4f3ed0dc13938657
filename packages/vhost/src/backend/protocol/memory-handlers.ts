import { type MemoryRegion, closeAll, frontendRequests } from '../../wire/index.ts';
import { DriverMemory, fileOf } from '../vring/driver-memory.ts';
import type { ServedDevice } from '../device/served-device.ts';
import type { HandlerTable } from './handler.ts';
import { vhostError } from '../errors/vhost-error.ts';

/** Regions a frontend may add one by one: as many as a virtual machine can have. */
const maxMemorySlots = 509;

/** What this backend does about the driver's memory. */
export const memoryHandlers = {
  SET_MEM_TABLE: ({ device, claims }, regions, fds) => {
    const files = fds.map(fileOf);
    device.setMemory(DriverMemory.map(regions, fds, undefined, device.memoryOptions));
    claims.replace(regions, files);
    return placedTable(device, regions);
  },
  GET_MAX_MEM_SLOTS: () => maxMemorySlots,
  ADD_MEM_REG: ({ device, claims }, region, fds) => {
    const file = fileOf(fds[0]);
    if (claims.again(region, file)) {
      closeAll(fds);
      return placedRegion(device, region);
    }
    const beside = without(device.memory, claims.givingWayTo(region));
    if ((beside?.regions ?? 0) >= maxMemorySlots) {
      closeAll(fds);
      throw vhostError('STATE', `there are ${maxMemorySlots} memory regions already`);
    }
    device.setMemory(DriverMemory.map([region], fds, beside, device.memoryOptions));
    claims.add(region, file);
    return placedRegion(device, region);
  },
  REM_MEM_REG: ({ device, claims }, region, fds) => {
    closeAll(fds);
    const gone = claims.remove(region);
    if (gone === undefined) {
      throw vhostError('STATE', `no memory region at 0x${region.guestAddress.toString(16)} can be removed`);
    }
    if (gone.length === 0) return;
    const rest = without(device.memory, gone);
    if (rest !== undefined) device.setMemory(rest);
  },
} satisfies HandlerTable;

function without(
  memory: DriverMemory | undefined,
  regions: readonly MemoryRegion[],
): DriverMemory | undefined {
  return regions.reduce((rest, region) => rest?.without(region) ?? rest, memory);
}

/** In the place of an acknowledgement: where memory is here whose pages come late. */
function placedTable(device: ServedDevice, regions: readonly MemoryRegion[]): Uint8Array | undefined {
  const { memory, postcopy } = device;
  if (memory === undefined || postcopy.pages === undefined) return undefined;
  const { id, payload, name } = frontendRequests.SET_MEM_TABLE;
  postcopy.answered(id);
  return payload.encode(
    regions.map((region) => memory.placed(region)),
    name,
  );
}

function placedRegion(device: ServedDevice, region: MemoryRegion): Uint8Array | undefined {
  const { memory, postcopy } = device;
  if (memory === undefined || postcopy.pages === undefined) return undefined;
  const { id, payload, name } = frontendRequests.ADD_MEM_REG;
  postcopy.answered(id);
  return payload.encode(memory.placed(region), name);
}
