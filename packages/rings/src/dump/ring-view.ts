import type { DriverQueue } from '../driver/driver-queue.ts';
import type { QueueFault } from '../fault.ts';
import type { RingFormat } from '../format.ts';
import type { Region } from '../memory/region.ts';

/** Memory of one part of a ring. */
export interface RingMemory {
  /** The region it lies in. */
  readonly region: Region;
  /** Bytes. */
  readonly offset: number;
}

/** A ring as it lies in memory, whoever looks at it, and in whatever state it is. */
export interface RingView {
  /** Layout of the ring. */
  readonly format: RingFormat;
  /** Descriptors. */
  readonly size: number;
  /** EVENT_IDX was negotiated. */
  readonly eventIdx: boolean;
  /** The descriptor table, or the packed ring. */
  readonly descriptors: RingMemory;
  /** The driver's area: the available ring, or the driver's event suppression. */
  readonly driver: RingMemory;
  /** The device's area: the used ring, or the device's event suppression. */
  readonly device: RingMemory;
  /** Why the queue stopped; undefined while it runs. */
  readonly broken: QueueFault | undefined;
  /**
   * What the driver knows the device holds: split, descriptor indexes of heads; packed, buffer ids. Null when only the
   * ring itself can tell.
   */
  readonly held: readonly number[] | undefined;
  /** Finds an indirect table by its address; undefined when it is not in the memory. */
  readonly find: (address: bigint, bytes: number) => RingMemory | undefined;
}

/** The view of a driver. @param region the queue was built on */
export function driverRingView(queue: DriverQueue, region: Region, eventIdx: boolean): RingView {
  const { format, size, addresses, broken } = queue;
  const base = (BigInt(region.addressHigh >>> 0) << 32n) | BigInt(region.addressLow >>> 0);
  return {
    format,
    size,
    eventIdx,
    descriptors: { region, offset: addresses.descriptors },
    driver: { region, offset: addresses.driver },
    device: { region, offset: addresses.device },
    broken,
    held: queue.held(),
    find: (address, bytes) => {
      const offset = Number(address - base);
      return offset >= 0 && offset + bytes <= region.size ? { region, offset } : undefined;
    },
  };
}
