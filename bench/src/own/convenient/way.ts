import { setImmediate as turn } from 'node:timers/promises';

/** Bytes of a frame. */
export const length = 64;
/** Frames between two looks at the other end: fewer than any ring, socket buffer or queue in between holds. */
export const chunk = 128;
export const frames: readonly Uint8Array[] = Array.from({ length: chunk }, () =>
  new Uint8Array(length).fill(0x5a),
);

/** A way for frames from one end to the other, both in this process. */
export interface Way extends AsyncDisposable {
  /** Moves `chunk` frames, and resolves when the last has arrived. */
  readonly move: () => Promise<void>;
}

export type Ways = Readonly<Record<string, () => Promise<Way>>>;

/** What came by events. */
export class Arrivals {
  #waiting = 0;

  count(n: number): void {
    this.#waiting += n;
  }

  /** Lets the event loop run until `n` more have arrived. */
  async of(n: number): Promise<void> {
    while (this.#waiting < n) await turn();
    this.#waiting -= n;
  }
}
