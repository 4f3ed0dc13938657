import { type RingFormat, ringFeatures } from '@vio/rings';
import type { VringAddress } from '../../wire/index.ts';
import type { Vring } from './vring.ts';

/** What the frontend has said of a ring, and what it does. Descriptors stay the library's. */
export interface VringInfo {
  /** As RING_PACKED was negotiated. */
  readonly format: RingFormat;
  /** Descriptors; 0 while it was not said. */
  readonly size: number;
  /** Where it lies, in addresses of the frontend; undefined while that was not said. */
  readonly addresses: Readonly<Omit<VringAddress, 'index'>> | undefined;
  /** What the driver kicks it by; undefined: it has nothing. */
  readonly kickFd: number | undefined;
  /** What the driver is called by; undefined: it has nothing. */
  readonly callFd: number | undefined;
  /** It moves packets, or would if it ran. */
  readonly enabled: boolean;
  /** It was complete, and has not stopped or broken since. */
  readonly running: boolean;
  /** Why it stopped by itself. */
  readonly broken: string | undefined;
}

/** Where a ring goes on: what is fetched next, and what is marked used next. Packed: position, and the wrap counter in bit 15. */
export interface VringBase {
  /** What is fetched next: split, an index that wraps at 65536. */
  readonly lastAvail: number;
  /** What is marked used next, in the same way. */
  readonly lastUsed: number;
}

export function vringInfo(vring: Vring, features: bigint): VringInfo {
  const { size, addresses, enabled, running, fault } = vring;
  const { index: _, ...places } = addresses ?? { index: 0 };
  return {
    format: ringFeatures(features).format,
    size,
    addresses: addresses === undefined ? undefined : (places as Omit<VringAddress, 'index'>),
    kickFd: vring.kicks.fd,
    callFd: vring.calls.fd,
    enabled,
    running,
    broken: fault?.code,
  };
}

/** A base of vhost-user in its two halves; a split ring has used all that it has fetched. */
export function toBase(base: number, format: RingFormat): VringBase {
  if (format === 'split') return { lastAvail: base, lastUsed: base };
  return { lastAvail: base & 0xffff, lastUsed: base >>> 16 };
}

export function fromBase({ lastAvail, lastUsed }: VringBase, format: RingFormat): number {
  return format === 'split' ? lastAvail : ((lastUsed << 16) | lastAvail) >>> 0;
}
