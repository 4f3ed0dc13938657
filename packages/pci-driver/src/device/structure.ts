import { VioError, type RegisterWidth, type Registers } from '@vio/native';

/** A register of a structure: where it is, and the only width it may be accessed with (virtio 1.4, 4.1.3.1). */
export interface Field {
  readonly at: number;
  readonly width: RegisterWidth;
}

/** One structure of a device within the registers of a BAR. */
export class Structure {
  readonly length: number;
  readonly #registers: Registers;
  readonly #offset: number;

  constructor(registers: Registers, offset: number, length: number) {
    this.#registers = registers;
    this.#offset = offset;
    this.length = length;
  }

  has({ at, width }: Field): boolean {
    return at + width <= this.length;
  }

  /** @throws VioError VIO_PCI_FIELD when the device's structure is too short for it */
  read(field: Field): number {
    this.#check(field);
    return this.#registers.read(this.#offset + field.at, field.width);
  }

  write(field: Field, value: number): void {
    this.#check(field);
    this.#registers.write(this.#offset + field.at, field.width, value);
  }

  /** A 64-bit field: two of 32 bits, the low half first. */
  write64(at: number, value: bigint): void {
    this.write({ at, width: 4 }, Number(value & 0xffff_ffffn));
    this.write({ at: at + 4, width: 4 }, Number(value >> 32n));
  }

  #check(field: Field): void {
    if (this.has(field)) return;
    throw new VioError(`the device has ${this.length} bytes there, without a register at ${field.at}`, {
      code: 'VIO_PCI_FIELD',
      remedy: 'the device offers a feature without its register: it is broken, or not a virtio-net device',
    });
  }
}
