import { checkRingSize } from '../layout/ring-size.ts';
import type { MemoryMap } from '../memory/memory-map.ts';
import type { DeviceQueue, DeviceQueueOptions, DeviceVringAddresses } from './device-queue.ts';
import { PackedDevice } from './packed-device.ts';
import { ringPart } from './ring-part.ts';
import { SplitDevice } from './split-device.ts';

/**
 * Builds the device side of a virtqueue in the driver's memory. What was negotiated is decided here, once.
 * @throws VioError VIO_RING_SIZE, VIO_RING_BASE (a position no device can have in this ring) or VIO_RING_PART (address, alignment)
 */
export function createDeviceQueue(options: DeviceQueueOptions): DeviceQueue {
  checkRingSize(options.features, options.size);
  return options.features.format === 'split' ? new SplitDevice(options) : new PackedDevice(options);
}

/**
 * What a split ring itself says about where its device was: the base to go on from when the frontend gives none
 * that fits, as DPDK's server mode does, which says 0 for a ring in use after a backend's restart. Buffers that
 * were in flight are seen again. Where the ring cannot have been in use (more buffers would be outstanding than it has:
 * its memory was never cleared), what the frontend `said` counts if that can be, and the used index, which is the
 * device's to write, is set to it.
 * @throws VioError VIO_RING_PART
 */
export function splitBaseFromUsedRing(
  memory: MemoryMap,
  addresses: DeviceVringAddresses,
  size: number,
  said: number,
): number {
  const used = ringPart(memory, addresses.device, 'used ring', 4, 4);
  const avail = ringPart(memory, addresses.driver, 'available ring', 4, 2);
  const usedIdx = addresses.device.offset / 2 + 1;
  const done = Atomics.load(used.u16, usedIdx);
  const available = Atomics.load(avail.u16, addresses.driver.offset / 2 + 1);
  const canBe = (base: number): boolean => ((available - base) & 0xffff) <= size;
  const told = said & 0xffff;
  if (canBe(done) || !canBe(told)) return done;
  Atomics.store(used.u16, usedIdx, told);
  return told;
}
