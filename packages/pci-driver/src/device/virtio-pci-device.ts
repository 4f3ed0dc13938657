import type { Notifier } from '@vio/net';
import type { Field } from './structure.ts';

/** A virtio device on PCI, by its modern or its legacy registers. Every method is a few register accesses. */
export interface VirtioPciDevice {
  readonly modern: boolean;
  /** The device status (virtio 1.4, 2.1). Writing 0 begins a reset. */
  status: number;
  getFeatures(): bigint;
  setFeatures(features: bigint): void;
  /** Fields of the device configuration, all of the same generation. @throws VioError VIO_PCI_CONFIG_UNSTABLE */
  readConfig(fields: readonly Field[]): number[];
  /** Reads why the device interrupted, and quiets INTx. Not with MSI-X (4.1.4.5.2). */
  readIsr(): number;
  /** @returns the vector that the device took, or `noVector` */
  setConfigVector(vector: number): number;
  setQueueVector(queue: number, vector: number): number;
  /** Descriptors at most; 0: the device has no such queue. */
  queueSize(queue: number): number;
  /** Whether a queue may be smaller than `queueSize` says. */
  readonly resizable: boolean;
  /** Tells where a queue is and enables it. Once for every queue between resets. */
  enableQueue(queue: number, place: QueuePlace): void;
  /**
   * What tells the device of new buffers; features must have been set.
   * @param nextAvailable of the queue, for devices that are told with every notification
   * @throws VioError VIO_PCI_NOTIFY_RANGE
   */
  notifier(queue: number, nextAvailable: () => number): Notifier;
}

/** Where a queue is, in the device's addresses. */
export interface QueuePlace {
  readonly size: number;
  readonly descriptors: bigint;
  readonly driver: bigint;
  readonly device: bigint;
}

/** No interrupt: what a device answers that has no vector to spare (VIRTIO_MSI_NO_VECTOR). */
export const noVector = 0xffff;

export const ISR_QUEUE = 1;
export const ISR_CONFIG = 2;
