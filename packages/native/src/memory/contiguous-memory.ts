import { closeSync, openSync, readSync } from 'node:fs';
import { addon } from '../addon.ts';
import { type Area, viewOfArea } from './area.ts';
import { bufferAddress } from '../devices/device.ts';
import { VioError } from '../error.ts';
import { type HugepageSize, hugepageBytes } from './hugepages.ts';
import { pageBytes } from './page.ts';
import { SharedMemory } from './shared-memory.ts';
import { attempt } from '../system-error.ts';

const fourGiB = 2 ** 32;

/**
 * Hugepages that lie one behind the other in physical memory: for a device that reads physical addresses, because no
 * IOMMU stands between it and the memory. Hugepages are neither swapped nor split.
 */
export class ContiguousMemory implements Disposable {
  /** The memory. It reads as zeroes after `close`. */
  readonly buffer: ArrayBuffer;
  /** Physical address of the first byte; all of it lies between two multiples of 4 GiB. */
  readonly address: bigint;
  readonly #area: Area;
  #open = true;

  private constructor(area: Area, size: number, address: bigint) {
    this.buffer = viewOfArea(area, 0, size);
    this.#area = area;
    this.address = address;
  }

  /**
   * @param options.size bytes, rounded up to whole pages
   * @throws VioError VIO_HUGEPAGES when there are not enough, or none that are neighbours; VIO_PAGEMAP_PERMISSION when
   *   this process may not see physical addresses
   */
  static create(options: { readonly size: number; readonly hugepages?: HugepageSize }): ContiguousMemory {
    const hugepages = options.hugepages ?? '2M';
    const page = hugepageBytes[hugepages];
    const needed = Math.ceil(options.size / page);
    let tried = needed;
    for (;;) {
      using memory = takePages(hugepages, tried, needed);
      const frames = physicalPages(memory.buffer, page);
      const run = neighbours(frames, needed, page);
      if (run !== undefined) {
        const area = attempt(
          () => addon.gatherPages(memory.fd, page, run, tried),
          'map neighbouring hugepages',
        );
        return new ContiguousMemory(area, needed * page, BigInt(frames[run[0]]));
      }
      tried *= 2;
    }
  }

  /** Bytes, a multiple of the page size. */
  get size(): number {
    return this.buffer.byteLength;
  }

  /** Gives the pages back at once. The device must have stopped: it does not know that they are gone. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    addon.closeArea(this.#area);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function takePages(hugepages: HugepageSize, count: number, needed: number): SharedMemory {
  try {
    return SharedMemory.create({ size: count * hugepageBytes[hugepages], hugepages, name: 'vio-dma' });
  } catch (error) {
    if (count === needed || !VioError.is(error)) throw error;
    throw new VioError(
      `there are no ${needed} hugepages of ${hugepages} one behind the other in physical memory`,
      {
        code: 'VIO_HUGEPAGES',
        remedy:
          'reserve hugepages at boot (hugepages=N), more of them, or of 1 GiB; or use VFIO with an IOMMU',
        cause: error,
      },
    );
  }
}

/** Physical address of every page of the buffer. */
function physicalPages(buffer: ArrayBuffer, page: number): number[] {
  const first = Number(bufferAddress(buffer));
  const entry = new BigUint64Array(1);
  const pagemap = openSync('/proc/self/pagemap', 'r');
  try {
    return Array.from({ length: buffer.byteLength / page }, (_, i) => {
      readSync(pagemap, entry, 0, 8, ((first + i * page) / pageBytes) * 8);
      const frame = entry[0] & ((1n << 55n) - 1n);
      if (frame === 0n) {
        throw new VioError('the physical addresses of memory are hidden from this process', {
          code: 'VIO_PAGEMAP_PERMISSION',
          remedy:
            'run with CAP_SYS_ADMIN (as root), or use VFIO with an IOMMU, which needs no physical addresses',
        });
      }
      return Number(frame) * pageBytes;
    });
  } finally {
    closeSync(pagemap);
  }
}

/** Indexes of `count` pages that follow each other and do not cross 4 GiB, or undefined. */
export function neighbours(frames: readonly number[], count: number, page: number): number[] | undefined {
  const order = [...frames.keys()].toSorted((a, b) => frames[a] - frames[b]);
  let start = 0;
  for (let i = 0; i < order.length; i++) {
    const at = frames[order[i]];
    const follows = i > start && at === frames[order[i - 1]] + page && at % fourGiB !== 0;
    if (!follows) start = i;
    if (i - start + 1 === count) return order.slice(start, i + 1);
  }
  return undefined;
}
