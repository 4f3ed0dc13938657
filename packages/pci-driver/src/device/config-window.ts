import type { RegisterWidth, Registers } from '@vio/native';
import { pciError } from '../access/pci-errors.ts';

/**
 * A BAR seen through configuration space (virtio 1.4, 4.1.4.9): slow, but it works where a BAR cannot be mapped.
 * It is the only capability that a driver writes to.
 */
export class ConfigWindow implements Registers {
  readonly size: number;
  readonly #config: Registers;
  readonly #at: number;
  readonly #bar: number;

  /** @param at offset of the capability @param size bytes of the BAR */
  constructor(config: Registers, at: number, bar: number, size: number) {
    this.#config = config;
    this.#at = at;
    this.#bar = bar;
    this.size = size;
  }

  read(offset: number, width: RegisterWidth): number {
    this.#aim(offset, width);
    return this.#config.read(this.#at + 16, width);
  }

  write(offset: number, width: RegisterWidth, value: number): void {
    this.#aim(offset, width);
    this.#config.write(this.#at + 16, width, value);
  }

  #aim(offset: number, width: RegisterWidth): void {
    if (offset < 0 || offset % width !== 0 || offset + width > this.size) {
      throw pciError(
        'VIO_REGISTER_RANGE',
        `cannot access ${width} bytes at ${offset} of ${this.size} bytes of registers`,
        'use an offset within the registers that is a multiple of the width',
      );
    }
    this.#config.write(this.#at + 4, 1, this.#bar);
    this.#config.write(this.#at + 8, 4, offset);
    this.#config.write(this.#at + 12, 4, width);
  }
}
