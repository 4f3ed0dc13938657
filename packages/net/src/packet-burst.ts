import { type BufferPool, Burst } from '@vio/rings';
import { PacketOffloads } from './offload/packet-offloads.ts';

/** A burst of packets: what queues take and give. See `Burst` for its arrays. */
export class PacketBurst extends Burst {
  /** The pool the packets live in; set by whoever fills the burst. */
  pool: BufferPool | null = null;
  /** What the packets' headers say; null in bursts for ports without offloads. */
  readonly offloads: PacketOffloads | null;

  /** @param options.offloads true for ports that have offloads; `NetPort.burst` knows. Default false */
  constructor(capacity = 32, options: { readonly offloads?: boolean } = {}) {
    super(capacity);
    this.offloads = options.offloads === true ? new PacketOffloads(capacity) : null;
  }

  /** Gives the buffers of packets `from` to `count - 1` back to their pool, whatever their number of segments. */
  release(pool: BufferPool, from = 0): void {
    const { buffer, segments, count } = this;
    for (let at = from; at < count; at++) {
      let end = at;
      while (end < count && segments[end] === 1) end++;
      pool.release(buffer, at, end - at);
      if (end < count) pool.releaseChain(buffer[end]);
      at = end;
    }
  }

  /**
   * Takes buffers for `count` packets of one segment and `bytes` each; the caller writes the data.
   * @param count packets, at most the burst's capacity
   * @param bytes 1 to the pool's data room
   * @returns how many there were, which is also `this.count`
   */
  allocate(pool: BufferPool, count: number, bytes: number): number {
    this.pool = pool;
    return pool.allocBurst(this, count, bytes);
  }
}
