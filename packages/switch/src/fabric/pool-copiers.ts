import { PacketCopier } from '@vio/net';
import type { BufferPool } from '@vio/rings';

/** What copies packets to one pool, by the pools that they come from. */
export class PoolCopiers {
  readonly #target: BufferPool;
  readonly #bySource = new Map<BufferPool, PacketCopier>();
  #last: BufferPool | undefined;
  #copier: PacketCopier | undefined;

  /** @param target pool of the copies */
  constructor(target: BufferPool) {
    this.#target = target;
  }

  /** The one for packets of this pool, which is mostly that of the packets before. */
  of(source: BufferPool): PacketCopier {
    if (source === this.#last && this.#copier !== undefined) return this.#copier;
    let copier = this.#bySource.get(source);
    if (copier === undefined) {
      copier = new PacketCopier(source, this.#target);
      this.#bySource.set(source, copier);
    }
    this.#last = source;
    return (this.#copier = copier);
  }
}
