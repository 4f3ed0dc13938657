import { BufferPool, poolStride } from '../memory/buffer-pool.ts';
import { Region } from '../memory/region.ts';

const dataRoom = 2048;
const headroom = 128;

/**
 * A pool of buffers of the default size in memory of this process alone, such as a backend copies packets to.
 * @param count buffers
 */
export function privatePool(count = 64): BufferPool {
  const region = new Region(new ArrayBuffer(count * poolStride(dataRoom, headroom)));
  return new BufferPool({ region, offset: 0, count, dataRoom, headroom });
}
