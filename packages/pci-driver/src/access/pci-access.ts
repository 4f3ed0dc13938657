import type { EventFd, Registers } from '@vio/native';

/**
 * How a PCI device is reached: through VFIO, with an IOMMU or without; through UIO; or by its files in sysfs alone, with
 * no driver at all.
 */
export type AccessKind = 'vfio' | 'vfio-noiommu' | 'uio' | 'port-io';

/** What drives a PCI device from user space: configuration space, BARs, memory that it may read and write, interrupts. */
export interface PciAccess {
  /** As in `0000:00:04.0`. */
  readonly address: string;
  /** How the device is reached. */
  readonly kind: AccessKind;
  /** Configuration space, 64 bytes at least. */
  readonly config: Registers;
  /** How it can ask for attention. */
  readonly interrupts: PciInterrupts;
  /** Bytes of a BAR, 0 if the device has none of this number. */
  barSize(index: number): number;
  /** The registers of a BAR, mapped at the first use. @throws VioError VIO_PCI_BAR */
  bar(index: number): Registers;
  /**
   * Memory that the device reaches.
   * @param bytes rounded up to whole pages
   * @param physical true: the device goes by physical addresses and past any IOMMU, as one without the feature
   *   ACCESS_PLATFORM may
   * @param hugepages of which size, where physical addresses need them or they are asked for. Default 2M where needed
   * @throws VioError VIO_HUGEPAGES, VIO_PAGEMAP_PERMISSION, VIO_MEMORY_LOCK, VIO_PCI_DMA
   */
  allocateDma(bytes: number, physical: boolean, hugepages?: '2M' | '1G'): DmaMemory;
  /** What an IOMMU in front of the device, and VFIO, make possible; undefined: the device goes by physical addresses. */
  readonly translated: TranslatedAccess | undefined;
  /**
   * Calls back when the device is to be taken away: VFIO asks, and waits until it is closed; UIO tells afterwards; a
   * device without driver is gone without a word. Does not keep the process alive.
   * @returns takes the handler back
   */
  onRemovalRequest(handler: () => void): () => void;
  /** Gives everything back: mappings, descriptors. The device must have been reset. Idempotent. */
  close(): void;
}

/** A device whose addresses an IOMMU translates: it can be given memory of others, and its parts be handed on. */
export interface TranslatedAccess {
  /**
   * Lets the device reach memory of this process, which is locked for it, at an address that the caller chooses.
   * @param userAddress where it is in this process, a multiple of 4096
   * @param address by which the device is to know it, a multiple of 4096
   * @param bytes a multiple of 4096
   * @returns takes it away again
   * @throws VioError VIO_MEMORY_LOCK, VIO_PCI_DMA
   */
  map(userAddress: bigint, address: bigint, bytes: bigint): () => void;
  /** Descriptor of the IOMMU group; stays the device's. */
  readonly groupFd: number;
  /** Descriptor of the device; stays its. */
  readonly deviceFd: number;
  /** Where a BAR is in the file of `deviceFd`, in bytes; undefined: it cannot be mapped from there. */
  barAt(index: number): number | undefined;
}

/** Memory that a device reaches by addresses of its own. */
export interface DmaMemory {
  /** The memory. */
  readonly buffer: ArrayBuffer;
  /** By which the device knows byte 0: physical, or what the IOMMU translates. All of it within 4 GiB. */
  readonly address: bigint;
  /** A file that holds it, for other threads to map; undefined: there is none. */
  readonly fd: number | undefined;
  /** Gives the memory back; the device must not use it any more. Idempotent. */
  close(): void;
}

/** How a device asks for attention. */
export interface PciInterrupts {
  /** MSI-X vectors that can be given out; 0: none. */
  readonly vectors: number;
  /** Vector i signals `events[i]`, from now on. Replaces what was enabled. */
  enableVectors(events: readonly EventFd[]): void;
  /** A vector that is enabled signals another eventfd from now on, or (undefined) none. */
  setVector(vector: number, fd: number | undefined): void;
  /** The one shared interrupt of the device (INTx); undefined: it cannot be waited for. */
  readonly line: InterruptLine | undefined;
  /** No more interrupts. */
  disable(): void;
}

/** The interrupt that a device shares with others (INTx). */
export interface InterruptLine {
  /**
   * Calls back on the event loop at every interrupt; the handler must quiet the device (by reading its ISR). Does not keep
   * the process alive.
   */
  enable(onInterrupt: () => void): void;
}
