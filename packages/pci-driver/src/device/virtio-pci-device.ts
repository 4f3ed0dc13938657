import type { DeviceTraits, Notifier } from '@vio/net';
import type { Field } from './structure.ts';

/** A virtio device on PCI, by its modern or its legacy registers. Every method is a few register accesses. */
export interface VirtioPciDevice {
  /** The device is driven by its modern registers, not by the legacy ones. For people: nothing depends on it. */
  readonly modern: boolean;
  /** What these registers decide of the features. */
  readonly traits: DeviceTraits;
  /** The device status (virtio 1.4, 2.1). Writing 0 begins a reset. */
  status: number;
  /** Reads the features that the device offers and these registers can serve, VIRTIO_F_* and VIRTIO_NET_F_* bits. */
  getFeatures(): bigint;
  /** Writes the features that the driver accepts. */
  setFeatures(features: bigint): void;
  /** Fields of the device configuration, all of the same generation. @throws VioError VIO_PCI_CONFIG_UNSTABLE */
  readConfig(fields: readonly Field[]): number[];
  /** Reads why the device interrupted, and quiets INTx. Not with MSI-X (4.1.4.5.2). */
  readIsr(): number;
  /** @returns the vector that the device took, or `noVector` */
  setConfigVector(vector: number): number;
  /** Gives a queue an MSI-X vector. @returns the vector that the device took, or `noVector` */
  setQueueVector(queue: number, vector: number): number;
  /** Descriptors at most; 0: the device has no such queue. */
  queueSize(queue: number): number;
  /** Whether a queue may be smaller than `queueSize` says. */
  readonly resizable: boolean;
  /** Tells where a queue is and enables it. Once for every queue between resets. */
  enableQueue(queue: number, place: QueuePlace): void;
  /** Takes single queues away; undefined without RING_RESET among the accepted features. */
  readonly queueReset: QueueResetRegisters | undefined;
  /**
   * What tells the device of new buffers; features must have been set.
   * @param nextAvailable of the queue, for devices that are told with every notification
   * @throws VioError VIO_PCI_NOTIFY_RANGE
   */
  notifier(queue: number, nextAvailable: () => number): Notifier;
}

/** How the device is made to let go of one queue (4.1.4.3.2). */
export interface QueueResetRegisters {
  /** Begins the reset of a queue. */
  begin(queue: number): void;
  /** True once the device has let go of it. */
  isDone(queue: number): boolean;
}

/** Where a queue is, in the device's addresses. */
export interface QueuePlace {
  /** Descriptors. */
  readonly size: number;
  /** Address of the descriptor table, or of the packed ring. */
  readonly descriptors: bigint;
  /** Address of the driver area: the avail ring, or the driver's event suppression. */
  readonly driver: bigint;
  /** Address of the device area: the used ring, or the device's event suppression. */
  readonly device: bigint;
}

/** No interrupt: what a device answers that has no vector to spare (VIRTIO_MSI_NO_VECTOR). */
export const noVector = 0xffff;

export const ISR_QUEUE = 1;
export const ISR_CONFIG = 2;
