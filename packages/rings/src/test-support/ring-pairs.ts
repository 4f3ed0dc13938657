import { type RingComplianceRunner, describeRingCompliance } from '../compliance/ring-compliance.ts';
import { poolBuffers, type RingPair, type RingPairRequest } from '../compliance/ring-pair.ts';
import type { DeviceQueue, DeviceQueueOptions } from '../device/device-queue.ts';
import { createDriverQueue, driverQueueBytes } from '../driver/create-driver-queue.ts';
import { BufferPool } from '../memory/buffer-pool.ts';
import { MemoryMap, type MemoryWindow } from '../memory/memory-map.ts';
import { Region } from '../memory/region.ts';
import { inFirst } from '../testing/scripted-driver.ts';

const dataRoom = 64;
const headroom = 64;

/** Runs the suite of rings on a kind of device queue, over memory in one window and in many. */
export function describeDeviceQueue(
  kind: string,
  create: (options: DeviceQueueOptions) => DeviceQueue,
  runner: RingComplianceRunner,
): void {
  const over = (cut: Cut) => (request: RingPairRequest) => connect(request, cut, create);
  describeRingCompliance(`${kind} in one window`, over(oneWindow), runner);
  describeRingCompliance(`${kind} over memory in pieces`, over(manyWindows), runner);
}

/** Makes of one buffer, whose rings end where the pool begins, the windows that the device sees. */
type Cut = (buffer: ArrayBuffer, poolStart: number) => MemoryWindow[];

/** Both sides in one process over one buffer. */
function connect(
  request: RingPairRequest,
  cut: Cut,
  create: (options: DeviceQueueOptions) => DeviceQueue,
): RingPair {
  const { size, features, deviceWrites } = request;
  const poolStart = driverQueueBytes(features, size);
  const count = poolBuffers(size);
  const buffer = new ArrayBuffer(poolStart + count * (dataRoom + headroom));
  const region = new Region(buffer);
  const pool = new BufferPool({ region, offset: poolStart, count, dataRoom, headroom });
  const driver = createDriverQueue({ region, offset: 0, size, features, deviceWrites });
  const memory = new MemoryMap(cut(buffer, poolStart));
  const device = create({
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

function windowOf(buffer: ArrayBuffer, start: number, size: number): MemoryWindow {
  return { region: new Region(buffer, start, size), guestAddress: start, userAddress: start, size };
}

const oneWindow: Cut = (buffer) => [windowOf(buffer, 0, buffer.byteLength)];

/** Windows of 88 bytes end inside of buffers, and few buffers of 128 are in the window used last. */
const manyWindows: Cut = (buffer, poolStart) => {
  const windows = [windowOf(buffer, 0, poolStart)];
  for (let start = poolStart; start < buffer.byteLength; start += 88) {
    windows.push(windowOf(buffer, start, Math.min(88, buffer.byteLength - start)));
  }
  return windows;
};
