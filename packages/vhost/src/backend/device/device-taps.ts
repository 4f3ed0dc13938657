import type { BurstTap } from '@vio/net/internal';

const nobody: readonly BurstTap[] = [];

/** Who looks at the packets of which ring. */
export class DeviceTaps {
  readonly #byRing = new Map<number, Set<BurstTap>>();

  of(ring: number): Iterable<BurstTap> {
    return this.#byRing.get(ring) ?? nobody;
  }

  add(ring: number, tap: BurstTap): void {
    const taps = this.#byRing.get(ring) ?? new Set();
    this.#byRing.set(ring, taps.add(tap));
  }

  /** @returns true when nobody looks any more */
  delete(ring: number, tap: BurstTap): boolean {
    const taps = this.#byRing.get(ring);
    taps?.delete(tap);
    if (taps?.size === 0) this.#byRing.delete(ring);
    return this.#byRing.size === 0;
  }
}
