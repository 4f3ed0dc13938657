import type { BufferPool, DriverQueue, QueueFault } from '@vio/rings';
import type { FrameRules } from '../frames/frame-rules.ts';
import type { HeaderBytes } from '../header.ts';
import type { HeaderCodec } from '../offload/header-codec.ts';
import type { QueueSwitch } from './port-switches.ts';

/** Wakes the other side of a queue: an eventfd, a doorbell. */
export interface Notifier {
  /** Wakes the other side; never blocks, never throws. */
  signal(): void;
}

/** What a receive or transmit queue is made of. */
export interface NetQueueOptions {
  /** The virtqueue. */
  readonly queue: DriverQueue;
  /** Packet buffers. */
  readonly pool: BufferPool;
  /** Bytes of the virtio-net header. */
  readonly headerBytes: HeaderBytes;
  /** Tells the device of new buffers. */
  readonly kick: Notifier;
  /** Present when offloads were negotiated in this direction. */
  readonly codec?: HeaderCodec | undefined;
  /** What is done to every frame, of a queue without switches. Default: nothing. */
  readonly rules?: FrameRules | undefined;
  /** What is done to frames, and whether the queue runs, from now on. Default: as `rules` say, always. */
  readonly switch?: QueueSwitch | undefined;
  /** True: bursts are moved in C++, as far as they can be. Default false. */
  readonly native?: boolean | undefined;
  /** False: multicast and broadcast frames are not counted as such. Default true. */
  readonly groupCounters?: boolean | undefined;
  /** Called once when the queue breaks. */
  readonly onBroken: (fault: QueueFault) => void;
}
