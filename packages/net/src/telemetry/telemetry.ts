import { VioError } from '@vio/native';
import { EventLog } from './event-log.ts';
import { Rates } from './rates.ts';
import type { TelemetrySource } from './source.ts';

/** A port or device that somebody may ask for, under its number. */
export interface Observed {
  readonly id: number;
  readonly source: TelemetrySource;
  readonly rates: Rates;
}

/** The ports and devices of a program that can be looked at from outside, and what happened to them. */
export class Telemetry {
  /**
   * What happened to them.
   * @internal For the server.
   */
  readonly events = new EventLog();
  readonly #observed = new Map<number, Observed & { readonly mute: () => void }>();
  #next = 0;

  /** Shows a port or device. @returns its number, which no other ever has, and how it is taken away */
  add(source: TelemetrySource): { readonly id: number; remove(): void } {
    const id = this.#next++;
    const mute = source.events?.((type, data) => this.events.add(id, type, data)) ?? (() => {});
    this.#observed.set(id, { id, source, rates: new Rates(() => source.stats()), mute });
    this.events.add(id, 'added', { name: source.name });
    return {
      id,
      remove: () => {
        if (!this.#observed.delete(id)) return;
        mute();
        this.events.add(id, 'removed', { name: source.name });
      },
    };
  }

  /**
   * Those there are now.
   * @internal For the server.
   */
  get all(): Observed[] {
    return [...this.#observed.values()];
  }

  /**
   * One of them; undefined: there is none, or not any more.
   * @internal For the server.
   */
  find(id: number): Observed | undefined {
    return this.#observed.get(id);
  }

  /**
   * @internal For the server.
   * @throws VioError VIO_TELEMETRY_PORT
   */
  get(id: number): Observed {
    const observed = this.find(id);
    if (observed !== undefined) return observed;
    throw new VioError(`there is no port ${id}`, {
      code: 'VIO_TELEMETRY_PORT',
      remedy: '/ethdev/list tells the numbers of those there are',
    });
  }
}
