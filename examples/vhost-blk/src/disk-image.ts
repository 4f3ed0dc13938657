import { closeSync, fdatasyncSync, fstatSync, openSync, readvSync, writeSync, writevSync } from 'node:fs';
import { VioError, ioctl } from '@vio/native';
import { sectorBytes } from './blk-layout.ts';

/** Pieces of memory that one system call takes (IOV_MAX). */
const mostViews = 1024;
/** FS_IOC_UNRESVSP64 of linux/falloc.h: gives back the room of a range, which reads as zeroes then. */
const FS_IOC_UNRESVSP64 = 0x4030582b;
const spaceBytes = 48;
const zeroes = new Uint8Array(1 << 20);

/** A file as a disk. Calls throw what the file system says. */
export class DiskImage implements Disposable {
  readonly #fd: number;
  readonly readOnly: boolean;
  /** Sectors; what is left of the file behind the last whole one is not used. */
  readonly sectors: number;

  constructor(path: string, readOnly = false) {
    this.#fd = openSync(path, readOnly ? 'r' : 'r+');
    this.readOnly = readOnly;
    this.sectors = Math.floor(fstatSync(this.#fd).size / sectorBytes);
  }

  /** True when the disk has these sectors. */
  has(sector: number, count: number): boolean {
    return sector + count <= this.sectors;
  }

  read(views: readonly Uint8Array[], sector: number): void {
    this.#move(views, sector, readvSync);
  }

  write(views: readonly Uint8Array[], sector: number): void {
    this.#move(views, sector, writevSync);
  }

  /** What was written is safe when this returns. */
  flush(): void {
    fdatasyncSync(this.#fd);
  }

  /** Gives room back, where the file system can; what was there is not needed any more. */
  discard(sector: number, count: number): void {
    this.#punch(sector, count);
  }

  /** @param unmap the room may be given back */
  writeZeroes(sector: number, count: number, unmap: boolean): void {
    if (unmap && this.#punch(sector, count)) return;
    const end = (sector + count) * sectorBytes;
    for (let at = sector * sectorBytes; at < end;) {
      at += writeSync(this.#fd, zeroes, 0, Math.min(zeroes.length, end - at), at);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #move(
    views: readonly Uint8Array[],
    sector: number,
    call: (fd: number, views: Uint8Array[], at: number) => number,
  ): void {
    let at = sector * sectorBytes;
    for (let from = 0; from < views.length; from += mostViews) {
      const some = views.slice(from, from + mostViews);
      const bytes = some.reduce((sum, { length }) => sum + length, 0);
      if (call(this.#fd, some, at) !== bytes) throw new Error(`the file did not take all at byte ${at}`);
      at += bytes;
    }
  }

  /** @returns false where the file system cannot */
  #punch(sector: number, count: number): boolean {
    if (count === 0) return true;
    const space = new DataView(new ArrayBuffer(spaceBytes));
    space.setBigInt64(8, BigInt(sector * sectorBytes), true);
    space.setBigInt64(16, BigInt(count * sectorBytes), true);
    try {
      ioctl(this.#fd, FS_IOC_UNRESVSP64, new Uint8Array(space.buffer), 'give back a part of the image');
      return true;
    } catch (error) {
      if (VioError.is(error)) return false;
      throw error;
    }
  }
}
