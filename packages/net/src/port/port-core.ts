import type { BufferPool } from '@vio/rings';
import type { FrameRules } from '../frames/frame-rules.ts';
import type { PacketBurst } from '../packet-burst.ts';
import type { RxQueue } from '../queue/rx-queue.ts';
import type { TxQueue } from '../queue/tx-queue.ts';
import type { LinkState, PortEmitter } from './port-events.ts';

/** What the readers, writers and interrupts of a port use of it. */
export interface PortCore extends Pick<PortEmitter, 'on' | 'off'> {
  readonly pool: BufferPool;
  readonly rx: readonly RxQueue[];
  readonly tx: readonly TxQueue[];
  readonly rules: FrameRules;
  readonly link: LinkState;
  /** True once the memory goes away. */
  readonly closed: boolean;
  /** True while the whole port is stopped. */
  readonly stopped: boolean;
  /** True when nothing passes any more. */
  readonly gone: boolean;
  /** A burst for the port's queues. */
  burst(): PacketBurst;
}
