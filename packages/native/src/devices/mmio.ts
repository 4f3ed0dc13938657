import { readSync, writeSync } from 'node:fs';
import { addon } from '../addon.ts';
import { VioError } from '../error.ts';
import { attempt, systemError } from '../system-error.ts';

/** Bytes of a register. A 64-bit register is two of 32 bits, or `read64` and `write64` of mapped ones. */
export type RegisterWidth = 1 | 2 | 4;

/** Registers of a device by byte offset, little-endian. Every access is one access of exactly this width, aligned. */
export interface Registers {
  /** Bytes. */
  readonly size: number;
  /** @throws VioError VIO_REGISTER_RANGE, VIO_DEVICE_GONE */
  read(offset: number, width: RegisterWidth): number;
  /** @throws VioError VIO_REGISTER_RANGE, VIO_DEVICE_GONE */
  write(offset: number, width: RegisterWidth, value: number): void;
}

/** Registers behind a mapping: a BAR in memory space. */
export class MmioRegisters implements Registers, Disposable {
  readonly size: number;
  readonly #handle: object;

  /**
   * @param fd a file that maps to the device, as sysfs `resource0`; stays the caller's
   * @param offset in the file, a multiple of the page size
   * @param size bytes
   * @param writeOnly for registers that are not there to be read, as a doorbell; some drivers map those no other way.
   *   What a read of them gives is up to the CPU. Default false
   * @throws VioError VIO_SYS_* when the file does not map so
   */
  static map(fd: number, offset: number, size: number, writeOnly = false): MmioRegisters {
    const handle = attempt(
      () => addon.mapRegisters(fd, offset, size, writeOnly),
      `map ${size} bytes of registers`,
    );
    return new MmioRegisters(handle, size);
  }

  private constructor(handle: object, size: number) {
    this.#handle = handle;
    this.size = size;
  }

  /** True once an access found the device gone; it read zeroes. */
  get faulted(): boolean {
    return addon.registersFaulted(this.#handle);
  }

  read(offset: number, width: RegisterWidth): number {
    try {
      return addon.readRegister(this.#handle, offset, width);
    } catch (error) {
      throw this.#failure(error, offset, width);
    }
  }

  write(offset: number, width: RegisterWidth, value: number): void {
    try {
      addon.writeRegister(this.#handle, offset, width, value);
    } catch (error) {
      throw this.#failure(error, offset, width);
    }
  }

  /** One access of 64 bits, where a device wants it. @throws VioError VIO_REGISTER_RANGE, VIO_DEVICE_GONE */
  read64(offset: number): bigint {
    try {
      return addon.readRegister(this.#handle, offset, 8);
    } catch (error) {
      throw this.#failure(error, offset, 8);
    }
  }

  /** Writes 64 bits at once. @param offset bytes, a multiple of 8 @throws VioError VIO_REGISTER_RANGE, VIO_DEVICE_GONE */
  write64(offset: number, value: bigint): void {
    try {
      addon.writeRegister(this.#handle, offset, 8, value);
    } catch (error) {
      throw this.#failure(error, offset, 8);
    }
  }

  /** Unmaps the registers. Idempotent. */
  close(): void {
    addon.unmapRegisters(this.#handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #failure(error: unknown, offset: number, width: number): unknown {
    return systemError(error, `access ${width} bytes at ${offset} of ${this.size} bytes of registers`, {
      EFAULT: rangeDetails,
    });
  }
}

/** Registers behind a file that is read and written at an offset: configuration space, or IO ports. */
export class FileRegisters implements Registers {
  readonly size: number;
  readonly #fd: number;
  readonly #base: number;
  readonly #bytes = new Uint8Array(4);
  readonly #view = new DataView(this.#bytes.buffer);

  /** @param fd stays the caller's @param base offset in the file of register 0 */
  constructor(fd: number, base: number, size: number) {
    this.#fd = fd;
    this.#base = base;
    this.size = size;
  }

  read(offset: number, width: RegisterWidth): number {
    this.#check(offset, width);
    this.#transfer(
      'read',
      offset,
      () => readSync(this.#fd, this.#bytes, 0, width, this.#base + offset),
      width,
    );
    if (width === 1) return this.#view.getUint8(0);
    return width === 2 ? this.#view.getUint16(0, true) : this.#view.getUint32(0, true);
  }

  write(offset: number, width: RegisterWidth, value: number): void {
    this.#check(offset, width);
    this.#view.setUint32(0, value, true);
    this.#transfer(
      'write',
      offset,
      () => writeSync(this.#fd, this.#bytes, 0, width, this.#base + offset),
      width,
    );
  }

  #check(offset: number, width: RegisterWidth): void {
    if (offset >= 0 && offset % width === 0 && offset + width <= this.size) return;
    throw new VioError(
      `cannot access ${width} bytes at ${offset} of ${this.size} bytes of registers`,
      rangeDetails,
    );
  }

  #transfer(what: string, offset: number, access: () => number, width: number): void {
    let moved: number;
    let cause: unknown;
    try {
      moved = access();
    } catch (error) {
      moved = -1;
      cause = error;
    }
    if (moved === width) return;
    throw new VioError(`cannot ${what} the register at ${offset}: the device does not answer`, {
      code: 'VIO_DEVICE_GONE',
      remedy: 'it was removed, or taken by another driver: bind it again and open the port anew',
      cause,
    });
  }
}

const rangeDetails = {
  code: 'VIO_REGISTER_RANGE',
  remedy: 'use an offset within the registers that is a multiple of the width',
};
