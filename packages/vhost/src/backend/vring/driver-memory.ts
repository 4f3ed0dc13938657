import { MappedFile, VioError, closeFd } from '@vio/native';
import { bufferAddress, statOfFd } from '@vio/native/internal';
import { MemoryMap, type MemoryWindow, Region } from '@vio/rings';
import type { LatePages } from '@vio/native/internal';
import { LateWindow } from '@vio/rings/internal';
import type { MemoryRegion } from '../../wire/index.ts';

/** Bytes from one window of a region to the next: offsets into a window stay small integers. */
const windowStep = 2 ** 30;
/**
 * Bytes that a window reaches into the next. What is no longer lies in one window wherever it begins: a ring of any
 * size (512 KiB), every indirect table, and all buffers drivers use.
 */
const windowReach = 2 ** 20;
/** Bytes a device may announce: what address space a process has is shared by all of them (128 TiB on x86-64). */
const maxBytes = 2 ** 42;

/** How a driver's memory is mapped. */
export interface MappingOptions {
  /** Fault all of it in at once. */
  readonly preAllocate?: boolean;
  /** Keep all of it in memory (mlock). */
  readonly lock?: boolean;
  /** Pages of it come when they are touched. */
  readonly pages?: LatePages;
  /** Its files have no size (VDUSE): what is not there faults when it is touched. */
  readonly unsized?: boolean;
}

/** A region: its mapping, and the windows it is seen through. */
interface Part {
  readonly announced: MemoryRegion;
  /** Which file it lies in, as `device:inode`. */
  readonly file: string;
  readonly mapping: MappedFile;
  /** Address in this process; undefined unless its pages come late. */
  readonly address: bigint | undefined;
  readonly windows: readonly MemoryWindow[];
}

/**
 * The driver's memory as it was announced: mapped, and findable by guest and user address. Immutable: what adds or
 * removes a region makes another one, which shares the mappings that stay. Each region is one mapping whatever its size,
 * and a window of it becomes a buffer when something is first looked up there: a large guest costs what it uses.
 */
export class DriverMemory implements Disposable {
  readonly map: MemoryMap;
  readonly #parts: readonly Part[];

  private constructor(parts: readonly Part[]) {
    this.map = new MemoryMap(parts.flatMap((part) => part.windows));
    this.#parts = parts;
  }

  /**
   * Maps the regions of SET_MEM_TABLE, or those of ADD_MEM_REG beside what is there. Takes the fds and closes them:
   * mappings live on without.
   * @throws VioError VIO_VHOST_MEMORY when a region lies beyond its file, two overlap, or all are more than 4 TiB;
   *   VIO_MEMORY_LOCK when it cannot be locked
   */
  static map(
    regions: readonly MemoryRegion[],
    fds: readonly number[],
    beside?: DriverMemory,
    options: MappingOptions = {},
  ): DriverMemory {
    const before = beside === undefined ? [] : beside.#parts;
    const made: Part[] = [];
    try {
      checkSum([...before.map(({ announced }) => announced), ...regions]);
      for (const [i, region] of regions.entries())
        if (region.size > 0) made.push(mapRegion(region, fds[i], options));
      return new DriverMemory([...before, ...made]);
    } catch (cause) {
      for (const { mapping } of made) mapping.close();
      // Nothing that the frontend could do better.
      if (VioError.is(cause) && cause.code === 'VIO_MEMORY_LOCK') throw cause;
      throw new VioError('the memory of the frontend cannot be mapped', {
        code: 'VIO_VHOST_MEMORY',
        remedy:
          'the frontend must share files as large as its regions say, regions that do not overlap, and at most 4 TiB',
        cause,
      });
    } finally {
      for (const fd of fds) closeFd(fd);
    }
  }

  /** Regions announced. */
  get regions(): number {
    return this.#parts.length;
  }

  /** A region by where it lies in this process, for whom its pages come from. */
  placed(region: MemoryRegion): MemoryRegion {
    const part = this.#parts.find(({ announced }) => announced.guestAddress === region.guestAddress);
    return { ...region, userAddress: Number(part?.address ?? 0n) };
  }

  /** What was announced, a copy. */
  table(): MemoryRegion[] {
    return this.#parts.map(({ announced }) => ({ ...announced }));
  }

  /** Where the regions lie in this process: addresses that a kernel can be told. */
  here(): { readonly announced: MemoryRegion; readonly address: bigint }[] {
    return this.#parts.map(({ announced, mapping }) => {
      const { buffer, byteOffset } = mapping.bytes(0, 1);
      return { announced, address: bufferAddress(buffer) + BigInt(byteOffset) };
    });
  }

  /** The files it lies in. */
  files(): ReadonlySet<string> {
    return new Set(this.#parts.map(({ file }) => file));
  }

  /** This memory without a region, found by its addresses and its size; undefined if there is none like it. */
  without({ guestAddress, userAddress, size }: MemoryRegion): DriverMemory | undefined {
    const stay = this.#parts.filter(
      ({ announced }) =>
        announced.guestAddress !== guestAddress ||
        announced.userAddress !== userAddress ||
        announced.size !== size,
    );
    return stay.length === this.#parts.length ? undefined : new DriverMemory(stay);
  }

  /** Gives back what `next` does not share. */
  replaceBy(next: DriverMemory): void {
    const kept = new Set(next.#parts);
    for (const part of this.#parts) if (!kept.has(part)) part.mapping.close();
  }

  /** True once the driver truncated a file under us. */
  get faulted(): boolean {
    // No closure and no iterator: this is looked at while packets move.
    for (let i = 0; i < this.#parts.length; i++) if (this.#parts[i].mapping.faulted) return true;
    return false;
  }

  [Symbol.dispose](): void {
    for (const { mapping } of this.#parts) mapping.close();
  }
}

/** Which file it is, by whatever descriptor: `device:inode`. */
export function fileOf(fd: number): string {
  const { dev, ino } = statOfFd(fd);
  return `${dev}:${ino}`;
}

function checkSum(regions: readonly MemoryRegion[]): void {
  const bytes = regions.reduce((sum, { size }) => sum + size, 0);
  if (bytes > maxBytes)
    throw new RangeError(`${bytes} bytes of memory are more than the ${maxBytes} of a device`);
}

function mapRegion(
  announced: MemoryRegion,
  fd: number,
  { preAllocate = false, lock = false, pages, unsized = false }: MappingOptions,
): Part {
  const { guestAddress, userAddress, size, mmapOffset } = announced;
  // Words are read as words.
  if (mmapOffset % 8 !== 0)
    throw new RangeError(`a region at byte ${mmapOffset} of its file is not aligned to 8`);
  const file = fileOf(fd);
  const mapping = MappedFile.map(fd, { offset: mmapOffset, size, populate: preAllocate, lock, unsized });
  const address = pages === undefined ? undefined : awaitPages(mapping, pages);
  const windows: MemoryWindow[] = [];
  for (let at = 0; at < size; at += windowStep) {
    const own = Math.min(windowStep, size - at);
    const reach = Math.min(windowReach, size - at - own);
    const place = { guestAddress: guestAddress + at, userAddress: userAddress + at, size: own, reach };
    windows.push(
      new LateWindow(place, () => {
        const { buffer, byteOffset } = mapping.bytes(at, own + reach);
        return new Region(buffer, byteOffset, own + reach);
      }),
    );
  }
  return { announced, file, mapping, windows, address };
}

function awaitPages(mapping: MappedFile, pages: LatePages): bigint {
  try {
    return mapping.awaitPages(pages);
  } catch (error) {
    mapping.close();
    throw error;
  }
}
