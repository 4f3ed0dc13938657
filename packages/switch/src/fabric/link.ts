import type { PacketBurst, RingState } from '@vio/net';
import type { BufferPool } from '@vio/rings';

/** What is at the other end of a switch port while somebody is there. All of it runs on one thread. */
export interface Link {
  /** Queues that frames come in by. */
  readonly queues: number;
  /**
   * Takes frames that have come in by a queue, into `burst`, in buffers of `pool` or of a pool of the link's own.
   * @returns how many, which is also `burst.count`; `burst.pool` has them, and gets them back by `burst.release`
   */
  receive(queue: number, pool: BufferPool, burst: PacketBurst): number;
  /**
   * Sends frames of a burst; they stay the caller's.
   * @returns how many of them nobody had room for
   */
  deliver(burst: PacketBurst, from: number, count: number): number;
  /**
   * Asks to be woken when a frame comes in.
   * @returns true if there are some: receive them first
   */
  arm(): boolean;
  /** Asks for silence. */
  disarm(): void;
  /** Counters of the rings, named as DPDK's. */
  stats(): Readonly<Record<string, number>>;
  /** Its rings, where it has some of its own. */
  rings?(): readonly RingState[];
  /** Every one of these as it lies in memory. */
  dump?(): Iterable<object>;
  /** What was negotiated, for a person. */
  describe(): Readonly<Record<string, unknown>>;
}
