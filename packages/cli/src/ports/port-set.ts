import { PortSlot } from './port-slot.ts';

/** The ports of a program. Those that are open are closed at its end, the last first. */
export class PortSet implements AsyncDisposable {
  readonly slots: readonly PortSlot[];

  /** @param devargs one for each port */
  constructor(devargs: readonly string[]) {
    this.slots = devargs.map((text, number) => new PortSlot(number, text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const slot of this.slots.toReversed()) await slot.close();
  }
}
