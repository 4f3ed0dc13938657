import { addon } from '../addon.ts';
import { type Area, mapArea, viewOfArea } from './area.ts';
import { closeFd } from '../fds/fd.ts';
import { type HugepageSize, hugepageBytes, hugepageDirectory } from './hugepages.ts';
import { checkInFile, checkSize } from './memory-range.ts';
import { type OptionNames, checkOptions } from '../options.ts';
import { attempt } from '../system-error.ts';

/** Shared memory that is to be made. */
export interface SharedMemoryOptions {
  /** Bytes; rounded up to whole pages. */
  readonly size: number;
  /** For people who look at /proc/PID/maps. */
  readonly name?: string;
  /** Pages of 2 MiB or 1 GiB instead of 4 KiB. */
  readonly hugepages?: '2M' | '1G';
  /**
   * Fault all pages in at once. Default true. Huge pages that come late may not come: where a control group limits them, the first
   * touch of one is a fault (`faulted`).
   */
  readonly populate?: boolean;
  /** Keep all pages in memory (mlock). Default false. */
  readonly lock?: boolean;
}

/** What of a file is mapped, and how. */
export interface MapOptions {
  /** Byte offset in the file, a multiple of the page size. Default 0. */
  readonly offset?: number;
  /** Bytes. */
  readonly size: number;
  /** Fault all pages in at once. Default true. */
  readonly populate?: boolean;
  /** Keep all pages in memory (mlock). Default false. */
  readonly lock?: boolean;
}

const mapOptions: OptionNames<MapOptions> = { offset: true, size: true, populate: true, lock: true };

const sharedMemoryOptions: OptionNames<SharedMemoryOptions> = {
  size: true,
  name: true,
  hugepages: true,
  populate: true,
  lock: true,
};

/**
 * One shared mapping as an ArrayBuffer. After `close` the shared pages are gone at once; stale views of the buffer
 * read zeroes and write into the void, and the address space goes with garbage collection. A mapping that is dropped
 * without `close` goes with garbage collection altogether.
 */
export class SharedMemory implements Disposable {
  /** The mapping. It reads as zeroes after `close`. */
  readonly buffer: ArrayBuffer;
  readonly #area: Area;
  #fd: number;
  #open = true;

  private constructor(fd: number, area: Area, size: number) {
    this.#fd = fd;
    this.#area = area;
    this.buffer = viewOfArea(area, 0, size);
    if (fd !== -1) abandoned.register(this, fd, this);
  }

  /**
   * New anonymous memory that can be shared by its fd and never shrinks (F_SEAL_SHRINK).
   * @throws VioError VIO_HUGEPAGES when there are none to be had, VIO_MEMORY_LOCK over RLIMIT_MEMLOCK,
   * VIO_MEMORY_RANGE for a size that no buffer can have, VIO_OPTION_UNKNOWN
   */
  static create(options: SharedMemoryOptions): SharedMemory {
    checkOptions('SharedMemory.create', options, sharedMemoryOptions);
    const { hugepages, populate = true, lock = false } = options;
    const page = hugepages === undefined ? addon.pageSize : hugepageBytes[hugepages];
    const shift = hugepages === undefined ? 0 : Math.log2(page);
    const size = Math.ceil(options.size / page) * page;
    checkSize(size);
    const known = hugepages === undefined ? {} : hugepageErrors(hugepages, size / page);
    const what = `share ${size} bytes of memory`;
    const take = populate && shift !== 0;
    const fd = attempt(() => addon.memfdCreate(options.name ?? 'vio', size, shift, take), what, known);
    try {
      return new SharedMemory(fd, mapArea(fd, { offset: 0, size, populate, lock }, known), size);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /**
   * Maps memory that another process shares. The fd stays the caller's.
   * @throws VioError VIO_MEMORY_RANGE when the file is smaller than offset + size, or for a size that no buffer can
   * have, VIO_OPTION_UNKNOWN
   */
  static map(fd: number, options: MapOptions): SharedMemory {
    checkOptions('SharedMemory.map', options, mapOptions);
    checkSize(options.size);
    const { offset = 0, size } = options;
    checkInFile(fd, offset, size);
    return new SharedMemory(-1, mapArea(fd, { ...options, offset }), size);
  }

  /** The memfd of `create`, -1 for a mapping of somebody else's file and once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Bytes mapped. */
  get size(): number {
    return this.buffer.byteLength;
  }

  /** True once an access hit a page that the file no longer has: the other side truncated it. */
  get faulted(): boolean {
    return this.#open && addon.areaFaulted(this.#area);
  }

  /** Takes the pages away and closes the descriptor. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    addon.closeArea(this.#area);
    if (this.#fd !== -1) closeFd(this.#fd);
    this.#fd = -1;
    abandoned.unregister(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Memory that is dropped without `close` takes its memfd with it. */
const abandoned = new FinalizationRegistry<number>((fd) => closeFd(fd));

function hugepageErrors(size: HugepageSize, pages: number): Parameters<typeof attempt>[2] {
  const details = {
    code: 'VIO_HUGEPAGES',
    remedy: `reserve at least ${pages} pages: echo ${pages} > ${hugepageDirectory(size)}/nr_hugepages; raise the limit of the control group, if it has one; or use 4 KiB pages`,
    retryable: true,
  };
  return { ENOMEM: details, ENOSPC: details, ENODEV: details, EINVAL: details, EOPNOTSUPP: details };
}
