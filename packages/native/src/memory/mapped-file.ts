import { type Area, mapArea, viewOfArea } from './area.ts';
import { addon } from '../addon.ts';
import type { LatePages } from './late-pages.ts';
import { checkInFile, checkSize } from './memory-range.ts';

/** Some bytes of a mapping, as the end of a buffer: they begin at `byteOffset`. */
export interface MappedBytes {
  /** The mapping that the bytes are in. */
  readonly buffer: ArrayBuffer;
  /** Where they begin in it, in bytes. */
  readonly byteOffset: number;
}

/** What of a file is mapped, and how. */
export interface MappedFileOptions {
  /** Byte offset in the file. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** Fault all pages in at once. Default false. */
  readonly populate?: boolean;
  /** Keep all pages in memory (mlock). Default false. */
  readonly lock?: boolean;
  /** The file has no size, as the kernel's own (VDUSE): an access to what is not there faults the mapping. Default false. */
  readonly unsized?: boolean;
}

/**
 * A part of somebody else's file, mapped at once whatever its size, of which buffers are made where they are needed: a
 * file of a terabyte costs nothing until it is looked at. It begins at any byte. After `close` the shared pages are gone
 * at once; buffers read zeroes and write into the void, and what there was no buffer of leaves the address space.
 */
export class MappedFile implements Disposable {
  /** Bytes mapped. */
  readonly size: number;
  readonly #area: Area;

  private constructor(area: Area, size: number) {
    this.#area = area;
    this.size = size;
  }

  /**
   * The fd stays the caller's.
   * @throws VioError VIO_MEMORY_RANGE when the file is smaller than offset + size, VIO_MEMORY_LOCK over RLIMIT_MEMLOCK
   */
  static map(fd: number, options: MappedFileOptions): MappedFile {
    const { offset, size, unsized = false } = options;
    if (!unsized) checkInFile(fd, offset, size);
    return new MappedFile(mapArea(fd, { ...options, within: true }), size);
  }

  /**
   * A part of it, from any byte on. Every call makes a buffer.
   * @throws VioError VIO_MEMORY_RANGE for a size that no buffer can have, VIO_SYS_EINVAL when it is not all in the
   *   mapping, or that is closed
   */
  bytes(offset: number, size: number): MappedBytes {
    checkSize(size + addon.pageSize);
    const buffer = viewOfArea(this.#area, offset, size);
    return { buffer, byteOffset: buffer.byteLength - size };
  }

  /**
   * Its pages come later, when they are touched.
   * @returns address of its first byte in this process
   * @throws VioError VIO_SYS_* when the memory is of a kind that cannot
   * @internal
   */
  awaitPages(pages: LatePages): bigint {
    return pages.add(this.#area);
  }

  /** True once an access hit a page that the file no longer has: the other side truncated it. */
  get faulted(): boolean {
    return addon.areaFaulted(this.#area);
  }

  /** Takes the pages away: what still looks at them reads zeroes. Idempotent. */
  close(): void {
    addon.closeArea(this.#area);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
