import type { RingFeatures, RingFormat } from '../format.ts';
import type { MemoryMap } from '../memory/memory-map.ts';
import { freshMemory } from '../testing/guest-memory.ts';
import { ScriptedDriver } from '../testing/scripted-driver.ts';
import { ChainBurst } from '../device/chain-burst.ts';
import { createDeviceQueue } from '../device/create-device-queue.ts';
import type { DeviceQueueOptions } from '../device/device-queue.ts';

export const formats: readonly RingFormat[] = ['split', 'packed'];

export interface Setup extends Partial<RingFeatures> {
  readonly size?: number;
  readonly memory?: MemoryMap;
  readonly device?: Partial<DeviceQueueOptions>;
}

/** A device queue with the scripted driver it serves; indirect descriptors are negotiated unless said otherwise. */
export function setUp(
  format: RingFormat,
  { size = 8, memory = oneWindow(), device, ...features }: Setup = {},
) {
  const driver = new ScriptedDriver({
    memory,
    size,
    features: { format, inOrder: false, indirect: true, eventIdx: false, ...features },
  });
  return {
    driver,
    memory,
    queue: createDeviceQueue({ ...driver.device, ...device }),
    chains: new ChainBurst(),
  };
}

/** 64 KiB that cross a 4 GiB boundary, so that both halves of an address matter. */
function oneWindow(): MemoryMap {
  return freshMemory({ guestAddress: 0x1_ffff_8000, size: 0x1_0000 });
}

/** The segments of chain `i` as [window, offset, length]. */
export function segmentsOf(chains: ChainBurst, i: number): [number, number, number][] {
  const first = chains.firstSegment[i];
  return Array.from({ length: chains.firstSegment[i + 1] - first }, (_, k) => [
    chains.window[first + k],
    chains.offset[first + k],
    chains.length[first + k],
  ]);
}

/** The bytes the chain's segments name, readable first. */
export function bytesOf(chains: ChainBurst, i: number, memory: MemoryMap): number[] {
  return segmentsOf(chains, i).flatMap(([window, offset, length]) => [
    ...memory.windows[window].region.u8.subarray(offset, offset + length),
  ]);
}
