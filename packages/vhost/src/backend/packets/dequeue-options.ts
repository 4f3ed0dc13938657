import type { LargeBuffers } from './large-buffers.ts';
import type { PacketHolder } from './packet-holder.ts';

/** How packets are taken. */
export interface DequeueOptions {
  /** Never in several buffers: what does not fit one is dropped. */
  readonly linear?: boolean;
  /** Never in several buffers: what does not fit one gets a large one. */
  readonly external?: LargeBuffers;
  /** What is said of packets is as a sender says it, see `toTransmitMetadata`. */
  readonly transmitMetadata?: boolean;
  /** Copies are done beside this thread, and packets taken by `submit`; `run` is not for it then. */
  readonly holder?: PacketHolder;
}
