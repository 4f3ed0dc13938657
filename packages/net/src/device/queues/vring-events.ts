import { EventFd } from '@vio/native';

/** The eventfds of a port's virtqueues, by ring index: 2n receives, 2n + 1 transmits. */
export class VringEvents implements Disposable {
  /** The driver tells the device. */
  readonly kick: readonly EventFd[];
  /** The device tells the driver. */
  readonly call: readonly EventFd[];

  constructor(rings: number) {
    const made: EventFd[] = [];
    try {
      for (let i = 0; i < 2 * rings; i++) made.push(EventFd.create());
    } catch (error) {
      for (const event of made) event.close();
      throw error;
    }
    this.kick = made.slice(0, rings);
    this.call = made.slice(rings);
  }

  [Symbol.dispose](): void {
    for (const event of [...this.kick, ...this.call]) event.close();
  }
}
