import { SharedMemory, VioError, closeFd, sizeOfFd } from '@vio/native';
import { MemoryMap, type MemoryWindow, Region } from '@vio/rings';
import type { MemoryRegion } from '../wire/index.ts';

/** Largest window in bytes: offsets into it stay small integers. */
const windowBytes = 2 ** 30;
/** Mappings begin on this boundary, which suits 4 KiB and 2 MiB pages. */
const mapAlignment = 2 ** 21;

/** The driver's memory as it was announced: mapped, and findable by guest and user address. */
export class DriverMemory implements Disposable {
  readonly map: MemoryMap;
  /** By window of the map: the mapping, and how many bytes of it precede the window. */
  readonly mappings: readonly SharedMemory[];
  readonly lead: Int32Array;

  private constructor(map: MemoryMap, mappings: readonly SharedMemory[], lead: Int32Array) {
    this.map = map;
    this.mappings = mappings;
    this.lead = lead;
  }

  /**
   * Maps the regions of SET_MEM_TABLE. Takes the fds and closes them: mappings live on without.
   * @throws VioError VIO_VHOST_MEMORY when a region lies beyond its file or two overlap
   */
  static map(regions: readonly MemoryRegion[], fds: readonly number[]): DriverMemory {
    const made: { window: MemoryWindow; mapping: SharedMemory; lead: number }[] = [];
    try {
      for (const [i, region] of regions.entries()) {
        for (let at = 0; at < region.size; at += windowBytes) {
          made.push(mapWindow(region, fds[i], at, Math.min(windowBytes, region.size - at)));
        }
      }
      const map = new MemoryMap(made.map((m) => m.window));
      const byWindow = map.windows.map((window) => made.find((m) => m.window === window)!);
      return new DriverMemory(
        map,
        byWindow.map((m) => m.mapping),
        Int32Array.from(byWindow, (m) => m.lead),
      );
    } catch (cause) {
      for (const { mapping } of made) mapping.close();
      throw new VioError('the memory table of the frontend cannot be mapped', {
        code: 'VIO_VHOST_MEMORY',
        remedy: 'the frontend must share files as large as its regions say, and regions that do not overlap',
        cause,
      });
    } finally {
      for (const fd of fds) closeFd(fd);
    }
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

function mapWindow(region: MemoryRegion, fd: number, at: number, size: number) {
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
  return { window, mapping, lead };
}
