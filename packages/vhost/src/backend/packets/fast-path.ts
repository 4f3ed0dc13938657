import type { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import { createChains } from './chains.ts';
import type { ChainsOptions, ChainsPath } from './chains-path.ts';
import { createSingles } from './singles.ts';
import type { SinglesPath } from './singles-path.ts';

/** Bursts that begin with chains, after one that singles stopped at. */
const chainedBursts = 64;

/** What moves most bursts of most drivers: singles, and once they have stopped at something, chains. The rest is for the way that takes everything. */
export class FastPath {
  /** True when the last call stopped at a packet, or a chain of the driver, that is for the other way. */
  blocked = false;
  readonly #options: ChainsOptions;
  readonly #singles: SinglesPath;
  /** Made when the first chain comes: many drivers never send one. */
  #chains: { readonly path: ChainsPath | undefined } | undefined;
  #chained = 0;

  constructor(options: ChainsOptions) {
    this.#options = options;
    this.#singles = createSingles(options);
  }

  /** As that of `SinglesPath`. */
  take(pool: BufferPool, burst: PacketBurst, wanted: number): number {
    if (this.#chained > 0) this.#chained--;
    else {
      const n = this.#singles.take(pool, burst, wanted);
      this.blocked = this.#singles.blocked;
      if (!this.blocked) return n;
      this.#beginChains();
      if (n > 0) return n;
    }
    const path = this.#chains?.path;
    if (path === undefined) return 0;
    const n = path.take(pool, burst, wanted);
    if (n > 0) this.#options.stats?.countBurst(pool.region.u8, burst, 0, n);
    this.blocked = path.blocked;
    return n;
  }

  /** As that of `ChainsPath`. */
  put(pool: BufferPool, burst: PacketBurst, from: number, end: number, headed: boolean): number {
    if (!headed && this.#chained === 0) {
      const n = this.#singles.put(pool, burst, from, end);
      this.blocked = this.#singles.blocked;
      if (!this.blocked) return n;
      this.#beginChains();
      if (n > 0) return n;
    } else if (headed) this.#chains ??= { path: createChains(this.#options) };
    else this.#chained--;
    const path = this.#chains?.path;
    this.blocked = true;
    if (path === undefined) return 0;
    const n = path.put(pool, burst, from, end, headed);
    if (n > 0) this.#options.stats?.countBurst(pool.region.u8, burst, from, from + n);
    this.blocked = path.blocked;
    return n;
  }

  #beginChains(): void {
    this.#chains ??= { path: createChains(this.#options) };
    if (this.#chains.path !== undefined) this.#chained = chainedBursts;
  }
}
