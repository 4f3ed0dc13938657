import { VioError } from '@vio/native';
import type { MemoryMap } from '../memory/memory-map.ts';
import type { Region } from '../memory/region.ts';
import type { WindowOffset } from './device-queue.ts';

/**
 * Finds one part of a virtqueue in the driver's memory and checks it: inside one window, aligned in memory.
 * @throws VioError VIO_RING_PART
 */
export function ringPart(
  memory: MemoryMap,
  at: WindowOffset,
  part: string,
  bytes: number,
  alignment: number,
): Region {
  const window = memory.windows[at.window];
  if (window === undefined || !(at.offset >= 0 && at.offset + bytes <= memory.size[at.window])) {
    throw new VioError(
      `the ${part} (${bytes} bytes at offset ${at.offset}) does not lie in memory window ${at.window}`,
      {
        code: 'VIO_RING_PART',
        remedy: 'Give ring addresses inside one region of the memory table.',
      },
    );
  }
  if ((window.region.u8.byteOffset + at.offset) % alignment !== 0) {
    throw new VioError(`the ${part} at offset ${at.offset} is not aligned to ${alignment} bytes`, {
      code: 'VIO_RING_PART',
      remedy: 'Align descriptors to 16, a split available ring to 2 and every other part to 4 bytes.',
    });
  }
  return window.region;
}
