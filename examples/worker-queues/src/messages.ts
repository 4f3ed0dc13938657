import type { QueuePairHandle } from '@vio/net';

/** What a worker is started with. */
export interface WorkerTask {
  readonly handle: QueuePairHandle;
  /** One int32 of shared memory: not 0 when it is time to stop. */
  readonly stop: Int32Array;
}

/** What it has to say at the end: frames sent and come back, and those that came back to the wrong queue pair. */
export interface WorkerReport {
  readonly pair: number;
  readonly sent: number;
  readonly received: number;
  readonly strangers: number;
}
