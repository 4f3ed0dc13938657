import type { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { SinglesOptions } from './singles-path.ts';

/**
 * The fast way for chains of several descriptors, with indirect tables, in any windows, and for packets over several of the
 * driver's buffers. A packet that takes several buffers of this side is not for it, nor what is to be dropped.
 */
export interface ChainsPath {
  /** True when the last call stopped at a packet, or a chain of the driver, that is not for it. */
  readonly blocked: boolean;
  /** As that of `SinglesPath`. */
  take(pool: BufferPool, burst: PacketBurst, wanted: number): number;
  /**
   * Delivers packets of the burst from `from` on, up to `end`.
   * @param headed their headers are those that `fillHeader` writes; else they say nothing
   * @returns how many
   */
  put(pool: BufferPool, burst: PacketBurst, from: number, end: number, headed: boolean): number;
}

export interface ChainsOptions extends SinglesOptions {
  /** Writable: a packet may be spread over several chains (MRG_RXBUF). */
  readonly mergeable?: boolean;
  /** Writes the header of packet `i` to `at`. */
  readonly fillHeader?: FillHeader | undefined;
}

/** Writes the header of packet `i` of a burst. */
export type FillHeader = (u8: Uint8Array, at: number, burst: PacketBurst, i: number) => void;
