import type { TelemetryEvent } from './source.ts';

/** Events that are kept for those who ask later. */
const mostEvents = 1024;

/** The last events, each with a number. */
export class EventLog {
  readonly #events: TelemetryEvent[] = [];
  #next = 1;

  add(port: number, type: string, data: unknown): void {
    this.#events.push({ number: this.#next++, time: Date.now(), port, type, data });
    if (this.#events.length > mostEvents) this.#events.shift();
  }

  /** @param cursor of the answer before; 0: all there are */
  since(cursor: number): { cursor: number; lost: number; events: TelemetryEvent[] } {
    const oldest = this.#next - this.#events.length;
    const from = Math.max(0, cursor - oldest);
    return {
      cursor: this.#next,
      lost: cursor === 0 ? 0 : Math.max(0, oldest - cursor),
      events: this.#events.slice(from),
    };
  }
}
