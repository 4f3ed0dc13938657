import { PortSlot } from './port-slot.ts';

/** The ports of a program. Those that are open are closed at its end, the last first. */
export class PortSet implements AsyncDisposable {
  readonly #slots: PortSlot[];

  /** @param devargs one for each port */
  constructor(devargs: readonly string[]) {
    this.#slots = devargs.map((text, number) => new PortSlot(number, text));
  }

  /** By number; those that join later are in it, too. */
  get slots(): readonly PortSlot[] {
    return this.#slots;
  }

  /** One more. */
  add(devargs: string): PortSlot {
    const slot = new PortSlot(this.#slots.length, devargs);
    this.#slots.push(slot);
    return slot;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const slot of this.slots.toReversed()) await slot.close();
  }
}
