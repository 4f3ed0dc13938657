import { SharedMemory, VioError, closeFd, sizeOfFd } from '@vio/native';
import { MemoryMap, type MemoryWindow, Region } from '@vio/rings';
import type { MemoryRegion } from '../wire/index.ts';

/** Largest window in bytes: offsets into it stay small integers. */
const windowBytes = 2 ** 30;
/** Mappings begin on this boundary, which suits 4 KiB and 2 MiB pages. */
const mapAlignment = 2 ** 21;

/** A window of the map, its mapping, and how many bytes of the mapping precede the window. */
interface Part {
  readonly announced: MemoryRegion;
  readonly window: MemoryWindow;
  readonly mapping: SharedMemory;
  readonly lead: number;
}

/**
 * The driver's memory as it was announced: mapped, and findable by guest and user address. Immutable: what adds or
 * removes a region makes another one, which shares the mappings that stay.
 */
export class DriverMemory implements Disposable {
  readonly map: MemoryMap;
  /** By window of the map: the mapping, and how many bytes of it precede the window. */
  readonly mappings: readonly SharedMemory[];
  readonly lead: Int32Array;
  readonly #parts: readonly Part[];

  private constructor(parts: readonly Part[]) {
    this.map = new MemoryMap(parts.map((part) => part.window));
    this.#parts = this.map.windows.map((window) => parts.find((part) => part.window === window)!);
    this.mappings = this.#parts.map((part) => part.mapping);
    this.lead = Int32Array.from(this.#parts, (part) => part.lead);
  }

  /**
   * Maps the regions of SET_MEM_TABLE, or those of ADD_MEM_REG beside what is there. Takes the fds and closes them:
   * mappings live on without.
   * @throws VioError VIO_VHOST_MEMORY when a region lies beyond its file or two overlap
   */
  static map(
    regions: readonly MemoryRegion[],
    fds: readonly number[],
    beside: DriverMemory | null = null,
  ): DriverMemory {
    const made: Part[] = [];
    try {
      for (const [i, region] of regions.entries()) {
        for (let at = 0; at < region.size; at += windowBytes) {
          made.push(mapWindow(region, fds[i], at, Math.min(windowBytes, region.size - at)));
        }
      }
      return new DriverMemory(beside === null ? made : [...beside.#parts, ...made]);
    } catch (cause) {
      for (const { mapping } of made) mapping.close();
      throw new VioError('the memory of the frontend cannot be mapped', {
        code: 'VIO_VHOST_MEMORY',
        remedy: 'the frontend must share files as large as its regions say, and regions that do not overlap',
        cause,
      });
    } finally {
      for (const fd of fds) closeFd(fd);
    }
  }

  /** Regions announced. */
  get regions(): number {
    return new Set(this.#parts.map((part) => part.announced)).size;
  }

  /** This memory without a region, found by its addresses and its size; null if there is none like it. */
  without({ guestAddress, userAddress, size }: MemoryRegion): DriverMemory | null {
    const stay = this.#parts.filter(
      ({ announced }) =>
        announced.guestAddress !== guestAddress ||
        announced.userAddress !== userAddress ||
        announced.size !== size,
    );
    return stay.length === this.#parts.length ? null : new DriverMemory(stay);
  }

  /** Gives back what `next` does not share. */
  replaceBy(next: DriverMemory): void {
    for (const mapping of this.mappings) if (!next.mappings.includes(mapping)) mapping.close();
  }

  /** True once the driver truncated a file under us. */
  get faulted(): boolean {
    // No closure and no iterator: this is looked at while packets move.
    for (let i = 0; i < this.mappings.length; i++) if (this.mappings[i].faulted) return true;
    return false;
  }

  [Symbol.dispose](): void {
    for (const mapping of this.mappings) mapping.close();
  }
}

function mapWindow(region: MemoryRegion, fd: number, at: number, size: number): Part {
  const start = region.mmapOffset + at;
  const offset = Math.floor(start / mapAlignment) * mapAlignment;
  const lead = start - offset;
  // Whole pages: hugetlbfs maps nothing less.
  const room = sizeOfFd(fd) - offset;
  const wanted = Math.ceil((lead + size) / mapAlignment) * mapAlignment;
  const mapping = SharedMemory.map(fd, {
    offset,
    size: lead + size > room ? lead + size : Math.min(wanted, room),
  });
  const window: MemoryWindow = {
    region: new Region(mapping.buffer, lead, size),
    guestAddress: region.guestAddress + at,
    userAddress: region.userAddress + at,
    size,
  };
  return { announced: region, window, mapping, lead };
}
