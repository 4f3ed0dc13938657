import type { RegisterWidth, Registers } from '@vio/native';

/** One access of a driver, in the order they came. */
export interface Access {
  readonly space: string;
  readonly write: boolean;
  readonly at: number;
  readonly width: RegisterWidth;
  readonly value: number;
}

/** Registers in memory, with what a device does on an access. Every access is logged; a misaligned one is refused. */
export class FakeRegisters implements Registers {
  readonly size: number;
  readonly view: DataView;
  /** Runs before a read, to put there what is to be read. */
  onRead: (at: number, width: RegisterWidth) => void = () => {};
  /** Runs instead of the plain store. */
  onWrite: (at: number, width: RegisterWidth, value: number) => void = (at, width, value) =>
    this.set(at, width, value);
  readonly #space: string;
  readonly #log: Access[];

  constructor(space: string, size: number, log: Access[]) {
    this.#space = space;
    this.size = size;
    this.#log = log;
    this.view = new DataView(new ArrayBuffer(size));
  }

  read(at: number, width: RegisterWidth): number {
    this.#check(at, width);
    this.onRead(at, width);
    const value = this.get(at, width);
    this.#log.push({ space: this.#space, write: false, at, width, value });
    return value;
  }

  write(at: number, width: RegisterWidth, value: number): void {
    this.#check(at, width);
    this.#log.push({ space: this.#space, write: true, at, width, value });
    this.onWrite(at, width, value);
  }

  get(at: number, width: RegisterWidth): number {
    if (width === 1) return this.view.getUint8(at);
    return width === 2 ? this.view.getUint16(at, true) : this.view.getUint32(at, true);
  }

  set(at: number, width: RegisterWidth, value: number): void {
    if (width === 1) this.view.setUint8(at, value);
    else if (width === 2) this.view.setUint16(at, value, true);
    else this.view.setUint32(at, value, true);
  }

  #check(at: number, width: RegisterWidth): void {
    if (at < 0 || at % width !== 0 || at + width > this.size) {
      throw new RangeError(`${this.#space}: ${width} bytes at ${at} of ${this.size}`);
    }
  }
}
