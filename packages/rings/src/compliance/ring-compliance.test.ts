import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import { createDeviceQueue } from '../device/create-device-queue.ts';
import type { WindowOffset } from '../device/device-queue.ts';
import { createDriverQueue, driverQueueBytes } from '../driver/create-driver-queue.ts';
import { BufferPool } from '../memory/buffer-pool.ts';
import { MemoryMap, type MemoryWindow } from '../memory/memory-map.ts';
import { Region } from '../memory/region.ts';
import { describeRingCompliance } from './ring-compliance.ts';
import { poolBuffers, type RingPair, type RingPairRequest } from './ring-pair.ts';

const dataRoom = 64;
const headroom = 64;

/** Both sides in one process over one buffer, which the device sees as the windows that `cut` makes of it. */
function connect(
  request: RingPairRequest,
  cut: (buffer: ArrayBuffer, poolStart: number) => MemoryWindow[],
): RingPair {
  const { size, features, deviceWrites } = request;
  const poolStart = driverQueueBytes(features, size);
  const count = poolBuffers(size);
  const buffer = new ArrayBuffer(poolStart + count * (dataRoom + headroom));
  const region = new Region(buffer);
  const pool = new BufferPool({ region, offset: poolStart, count, dataRoom, headroom });
  const driver = createDriverQueue({ region, offset: 0, size, features, deviceWrites });
  const memory = new MemoryMap(cut(buffer, poolStart));
  const device = createDeviceQueue({
    memory,
    addresses: {
      descriptors: inFirst(driver.addresses.descriptors),
      driver: inFirst(driver.addresses.driver),
      device: inFirst(driver.addresses.device),
    },
    size,
    features,
    base: driver.base(),
  });
  return { driver, device, pool, memory };
}

function inFirst(offset: number): WindowOffset {
  return { window: 0, offset };
}

function windowOf(buffer: ArrayBuffer, start: number, size: number): MemoryWindow {
  return { region: new Region(buffer, start, size), guestAddress: start, userAddress: start, size };
}

const oneWindow = (buffer: ArrayBuffer) => [windowOf(buffer, 0, buffer.byteLength)];

/** Windows of 88 bytes end inside of buffers, and few buffers of 128 are in the window used last. */
function manyWindows(buffer: ArrayBuffer, poolStart: number): MemoryWindow[] {
  const windows = [windowOf(buffer, 0, poolStart)];
  for (let start = poolStart; start < buffer.byteLength; start += 88) {
    windows.push(windowOf(buffer, start, Math.min(88, buffer.byteLength - start)));
  }
  return windows;
}

describeRingCompliance('rings in one window', (request) => connect(request, oneWindow), { describe, it, fc });
describeRingCompliance('rings over memory in pieces', (request) => connect(request, manyWindows), {
  describe,
  it,
  fc,
});
