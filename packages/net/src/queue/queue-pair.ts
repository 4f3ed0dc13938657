import {
  type BufferPool,
  type DriverQueue,
  type QueueFault,
  type Region,
  createDriverQueue,
  ringFeatures,
} from '@vio/rings';
import type { FrameRules } from '../frames/frame-rules.ts';
import { VIRTIO_NET_F_MRG_RXBUF } from '../feature-bits.ts';
import { hasSeparateHeader, headerSize } from '../header.ts';
import type { PathEngine, PathName } from '../paths.ts';
import { HeaderCodec } from '../offload/header-codec.ts';
import { hasRxOffloads, hasTxOffloads } from '../offload/offload-features.ts';
import { MergeableRxQueue } from './mergeable-rx-queue.ts';
import { PortSwitches } from './port-switches.ts';
import { PlainRxQueue, type RxQueue } from './rx-queue.ts';
import type { Notifier } from './queue-options.ts';
import { TxQueue } from './tx-queue.ts';

/** Where a queue pair lies, and what it is like. */
export interface QueuePairOptions {
  /** Negotiated device features. */
  readonly features: bigint;
  /** The memory of the rings. */
  readonly region: Region;
  /** Packet buffers, in the same region. */
  readonly pool: BufferPool;
  /** As they were elected. Default: by kernels. */
  readonly paths?: {
    readonly rx: { readonly engine: PathEngine; readonly groupCounters?: boolean };
    readonly tx: { readonly engine: PathEngine; readonly groupCounters?: boolean; readonly path?: PathName };
  };
  /** Descriptors of the receive ring. */
  readonly size: number;
  /** Descriptors of the transmit ring. Default: as many. */
  readonly txSize?: number | undefined;
  /** Byte offsets of the two rings in the region. */
  readonly rxOffset: number;
  /** Byte offset of the transmit ring in the region, a multiple of 4096. */
  readonly txOffset: number;
  /** Tells the device of new receive buffers. */
  readonly rxKick: Notifier;
  /** Tells the device of packets to send. */
  readonly txKick: Notifier;
  /** True when another thread has built the rings already, for their memory only. Default false. */
  readonly prepared?: boolean;
  /** Whether bursts are moved in C++. Default: as the paths say. */
  readonly native?: boolean | undefined;
  /** Descriptors of the receive ring that are free before the device gets buffers. Default: 32, or a quarter of a smaller ring. */
  readonly freeThreshold?: number | undefined;
  /** What is done to every frame, of a pair without switches. Default: nothing. */
  readonly rules?: FrameRules | undefined;
  /** What is done to frames, and which queues run, from now on; and which pair of theirs this is. Default: as `rules` say, always. */
  readonly switches?: { readonly port: PortSwitches; readonly pair: number } | undefined;
  /** Is called once for each queue that breaks. */
  readonly onBroken: (direction: 'rx' | 'tx', fault: QueueFault) => void;
}

/** The two queues of a queue pair. */
export interface QueuePair {
  /** What the device sends. */
  readonly rx: RxQueue;
  /** What the driver sends. */
  readonly tx: TxQueue;
  /**
   * After the device went away, or let go of one ring: fresh rings in the same place, or one; all buffers come back, and
   * packets on them are lost.
   */
  restart(direction?: 'rx' | 'tx'): void;
}

/** Builds receive and transmit queue of a pair, as the negotiated features say. The rings are empty. */
export function createQueuePair(options: QueuePairOptions): QueuePair {
  const { features, region, pool, size, txSize = size } = options;
  const has = (bit: bigint): boolean => (features & bit) !== 0n;
  const headerBytes = headerSize(features);
  const separateHeader = hasSeparateHeader(features);
  const { rx: rxPath, tx: txPath } = options.paths ?? {};
  const { switches = { port: PortSwitches.create(options.rules ?? {}, 1), pair: 0 } } = options;
  const ring = (offset: number, descriptors: number, deviceWrites: boolean): DriverQueue => {
    return createDriverQueue({
      region,
      offset,
      size: descriptors,
      features: ringFeatures(features),
      deviceWrites,
      prepared: options.prepared ?? false,
      separatePrefix: separateHeader && !deviceWrites,
    });
  };
  const rxOptions = {
    queue: ring(options.rxOffset, size, true),
    pool,
    headerBytes,
    kick: options.rxKick,
    codec: hasRxOffloads(features) ? HeaderCodec.received(features) : undefined,
    switch: { port: switches.port, queue: 2 * switches.pair },
    native: options.native ?? rxPath?.engine !== 'typescript',
    groupCounters: rxPath?.groupCounters,
    freeThreshold: options.freeThreshold,
    onBroken: (fault: QueueFault) => options.onBroken('rx', fault),
  };
  const tx = new TxQueue({
    queue: ring(options.txOffset, txSize, false),
    pool,
    headerBytes,
    kick: options.txKick,
    codec: hasTxOffloads(features) ? HeaderCodec.sent(features) : undefined,
    switch: { port: switches.port, queue: 2 * switches.pair + 1 },
    native: options.native ?? txPath?.engine !== 'typescript',
    groupCounters: txPath?.groupCounters,
    onBroken: (fault: QueueFault) => options.onBroken('tx', fault),
    separateHeader,
    simple: txPath?.path === 'split simple Tx',
  });
  const RxPath = has(VIRTIO_NET_F_MRG_RXBUF) ? MergeableRxQueue : PlainRxQueue;
  const rx = new RxPath(rxOptions);
  return {
    rx,
    tx,
    restart(direction) {
      if (direction !== 'tx') rx.restart(ring(options.rxOffset, size, true));
      if (direction !== 'rx') tx.restart(ring(options.txOffset, txSize, false));
    },
  };
}
