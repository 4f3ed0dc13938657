import type { VioError, WaitOptions } from '@vio/native';
import { type OptionNames, settle, waitNames } from '@vio/native/internal';
import { PacketBurst } from '../packet-burst.ts';
import { ethernetBytes } from '../packet-headers.ts';
import { tagBytes } from '../frames/vlan.ts';
import type { PortCore } from './port-core.ts';
import {
  brokenError,
  frameSizeError,
  linkDownError,
  notInUseError,
  queueStoppedError,
  stoppedError,
} from './port-errors.ts';

/** Where a frame is sent, and how long it may wait for room. */
export interface SendOptions extends WaitOptions {
  /** Queue pair. Default 0. */
  readonly queue?: number;
}

export const sendNames: OptionNames<SendOptions> = { queue: true, ...waitNames };

/** Largest frame in bytes, as in DPDK's virtio PMD. */
const maxFrameBytes = 9728;

/** Attempts, one per turn of the event loop, before a full ring is looked at every millisecond only. */
const spins = 64;

/** Frames that go onto the ring in one go. */
const burstFrames = 32;

/** Frames whose turn has not come. */
interface Waiting {
  readonly frames: readonly Uint8Array[];
  /** Index of the first that is not on the ring yet. */
  next: number;
  readonly sent: () => void;
  readonly failed: (reason: unknown) => void;
}

/** Sends frames on one queue pair, in the order of the calls. */
export class PacketWriter {
  readonly #port: PortCore;
  readonly #pair: number;
  readonly #burst = new PacketBurst(burstFrames);
  readonly #waiting = new Set<Waiting>();
  /** The buffers of a frame of several. */
  readonly #buffers: Int32Array;
  #attempts = 0;
  #scheduled = false;

  constructor(port: PortCore, pair: number) {
    this.#port = port;
    this.#pair = pair;
    this.#buffers = new Int32Array(segmentsOf(maxFrameBytes, port.pool.dataRoom));
  }

  /** @returns false when there is no room, or other frames wait for it */
  trySend(bytes: Uint8Array): boolean {
    this.#checkSize(bytes);
    const error = this.#obstacle();
    if (error !== undefined) throw error;
    if (this.#waiting.size > 0 || !this.#append(bytes)) return false;
    return this.#flush() === 1;
  }

  async send(frames: readonly Uint8Array[], options: WaitOptions): Promise<void> {
    for (const bytes of frames) this.#checkSize(bytes);
    await settle<void>('sending', options, (resolve, reject) => {
      const waiting = { frames, next: 0, sent: () => resolve(), failed: reject };
      this.#waiting.add(waiting);
      this.#pump();
      return () => this.#waiting.delete(waiting);
    });
  }

  /** Sends what waits, as far as there is room, and comes again as long as something waits. */
  #pump(): void {
    for (const waiting of this.#waiting) {
      const done = this.#attempt(waiting);
      if (!done) break;
      this.#waiting.delete(waiting);
      this.#attempts = 0;
    }
    if (this.#waiting.size === 0 || this.#scheduled) return;
    this.#scheduled = true;
    const again = (): void => {
      this.#scheduled = false;
      this.#pump();
    };
    if (this.#attempts++ < spins) setImmediate(again);
    else setTimeout(again, 1);
  }

  /** @returns false when frames have to wait for room */
  #attempt(waiting: Waiting): boolean {
    const { frames, sent, failed } = waiting;
    const error = this.#obstacle();
    if (error !== undefined) {
      failed(error);
      return true;
    }
    while (waiting.next < frames.length) {
      const end = Math.min(frames.length, waiting.next + burstFrames);
      for (let i = waiting.next; i < end && this.#append(frames[i]); i++);
      const noted = this.#burst.count;
      const taken = this.#flush();
      waiting.next += taken;
      if (taken > 0) this.#attempts = 0;
      if (taken < noted || noted === 0) return false;
    }
    sent();
    return true;
  }

  /** @throws VioError VIO_FRAME_SIZE when the port can never send it */
  #checkSize(bytes: Uint8Array): void {
    const { length } = bytes;
    const { pool, rules } = this.#port;
    const { longest, queue, stats } = this.#port.tx[this.#pair];
    if (length < 1 || length > maxFrameBytes) {
      throw frameSizeError(length, `send 1 to ${maxFrameBytes} bytes`);
    }
    const { mtu } = rules;
    if (
      mtu !== undefined &&
      length > mtu + ethernetBytes &&
      length > mtu + ethernetBytes + tagBytes(bytes, 0, length)
    ) {
      stats.countDrops(1, 'oversize');
      throw frameSizeError(
        length,
        `send at most the MTU of ${mtu} bytes and the ${ethernetBytes} of the Ethernet header, or open the port with a larger mtu`,
      );
    }
    if (length <= pool.dataRoom) return;
    const segments = segmentsOf(length, pool.dataRoom);
    if (segments > 1 && longest === 1) {
      throw frameSizeError(
        length,
        `send at most the ${pool.dataRoom} bytes of a buffer, or open the port without the simple path (txqFlags)`,
      );
    }
    if (segments > longest) {
      throw frameSizeError(length, `open the port with more than ${queue.size} descriptors per ring`);
    }
    if (segments > pool.count) {
      throw frameSizeError(length, `open the port with more than ${pool.count} buffers`);
    }
  }

  /** @returns why nothing can be sent now, and waiting does not help; undefined when it can */
  #obstacle(): VioError | undefined {
    const { gone, link } = this.#port;
    const { queue, held, stopped } = this.#port.tx[this.#pair];
    if (gone) return linkDownError(link);
    if (stopped) return this.#port.stopped ? stoppedError() : queueStoppedError('transmit', this.#pair);
    if (queue.broken !== undefined) return brokenError('transmit', this.#pair, queue.broken);
    return held ? notInUseError(this.#pair) : undefined;
  }

  /** Copies a frame into buffers of the pool, as the next of the burst. @returns false when there are too few */
  #append(bytes: Uint8Array): boolean {
    const { pool } = this.#port;
    const burst = this.#burst;
    const at = burst.count;
    const { length } = bytes;
    const segments = length <= pool.dataRoom ? 1 : segmentsOf(length, pool.dataRoom);
    if (pool.available(segments) < segments) return false;
    const buffers = segments === 1 ? burst.buffer : this.#buffers;
    const first = segments === 1 ? at : 0;
    pool.alloc(buffers, first, segments);
    const head = buffers[first];
    burst.buffer[at] = head;
    burst.offset[at] = pool.dataBase + head * pool.stride;
    burst.length[at] = length;
    burst.segments[at] = segments;
    burst.count = at + 1;
    if (segments === 1) pool.region.u8.set(bytes, burst.offset[at]);
    else this.#scatter(bytes, segments);
    return true;
  }

  /** Copies a frame into several buffers, one behind the other. */
  #scatter(bytes: Uint8Array, segments: number): void {
    const { pool } = this.#port;
    const buffers = this.#buffers;
    for (let i = 0; i < segments; i++) {
      const b = buffers[i];
      const part = bytes.subarray(i * pool.dataRoom, (i + 1) * pool.dataRoom);
      const offset = pool.dataBase + b * pool.stride;
      pool.region.u8.set(part, offset);
      pool.dataOffset[b] = offset;
      pool.dataLength[b] = part.length;
      pool.next[b] = i + 1 < segments ? buffers[i + 1] : -1;
    }
  }

  /** Sends the burst; what finds no room gives its buffers back. @returns how many frames were taken */
  #flush(): number {
    const burst = this.#burst;
    if (burst.count === 0) return 0;
    burst.pool = this.#port.pool;
    const taken = this.#port.tx[this.#pair].send(burst);
    burst.release(taken);
    burst.count = 0;
    return taken;
  }
}

/** Buffers a frame takes. */
function segmentsOf(bytes: number, dataRoom: number): number {
  return Math.ceil(bytes / dataRoom);
}
