// Two devices of ours as the ends of a wire: what one driver sends the other one receives.
import { PacketBurst } from '@vio/net';
import { BufferPool } from '@vio/rings';
import { privatePool } from '@vio/rings/testing';
import type { VhostDevice } from '@vio/vhost';

export interface WireOptions {
  /** Bursts say what headers say, and packets of 64 KiB stay whole; else they are complete, large ones cut. */
  readonly offloads: boolean;
  /** Buffers of 2 KiB between the ends. */
  readonly buffers: number;
}

/** Forwards from the event loop, until it is told to stop. */
export class Wire {
  /** Bytes of the longest packet that went through. */
  longest = 0;
  /** Packets the receiver had no room for. */
  lost = 0;
  readonly #ends: (VhostDevice | null)[] = [null, null];
  readonly #pool: BufferPool;
  readonly #burst: PacketBurst;
  #stopped = false;

  constructor({ offloads, buffers }: WireOptions) {
    this.#pool = privatePool(buffers);
    this.#burst = new PacketBurst(32, { offloads });
    this.#turn();
  }

  /** Buffers that are not in use. */
  get free(): number {
    return this.#pool.free;
  }

  /** @param device null: nobody is there */
  attach(end: 0 | 1, device: VhostDevice | null): void {
    this.#ends[end] = device;
  }

  stop(): void {
    this.#stopped = true;
  }

  #turn(): void {
    if (this.#stopped) return;
    const moved = this.#forward(0, 1) + this.#forward(1, 0);
    if (moved > 0) setImmediate(() => this.#turn());
    else setTimeout(() => this.#turn(), 1);
  }

  #forward(from: 0 | 1, to: 0 | 1): number {
    const burst = this.#burst;
    const count = this.#ends[from]?.dequeueBurst(1, this.#pool, burst) ?? 0;
    for (let i = 0; i < count; i++) this.longest = Math.max(this.longest, burst.length[i]);
    if (count === 0) return 0;
    this.lost += count - (this.#ends[to]?.enqueueBurst(0, burst) ?? 0);
    burst.release();
    return count;
  }
}
