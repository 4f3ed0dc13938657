import { type OptionNames, type WaitOptions, settle, waitNames } from '@vio/native';
import type { BufferPool } from '@vio/rings';
import { PacketBurst } from '../packet-burst.ts';
import { ethernetBytes } from '../frames/frame-rules.ts';
import { tagBytes } from '../frames/vlan.ts';
import type { PortCore } from './port-core.ts';
import { brokenError, frameSizeError, linkDownError, notInUseError } from './port-errors.ts';

/** Where a frame is sent, and how long it may wait for room. */
export interface SendOptions extends WaitOptions {
  /** Queue pair. Default 0. */
  readonly queue?: number;
}

export const sendNames: OptionNames<SendOptions> = { queue: true, ...waitNames };

/** Largest frame in bytes, as in DPDK's virtio PMD. */
export const maxFrameBytes = 9728;

/** Attempts, one per turn of the event loop, before a full ring is looked at every millisecond only. */
const spins = 64;

/** A frame whose turn has not come. */
interface Waiting {
  readonly bytes: Uint8Array;
  readonly sent: () => void;
  readonly failed: (reason: unknown) => void;
}

/** Sends single frames on one queue pair, in the order of the calls. */
export class PacketWriter {
  readonly #port: PortCore;
  readonly #pair: number;
  readonly #burst = new PacketBurst(1);
  readonly #waiting = new Set<Waiting>();
  #attempts = 0;
  #scheduled = false;

  constructor(port: PortCore, pair: number) {
    this.#port = port;
    this.#pair = pair;
  }

  async send(bytes: Uint8Array, options: SendOptions): Promise<void> {
    if (bytes.length < 1 || bytes.length > maxFrameBytes) {
      throw frameSizeError(bytes.length, `send 1 to ${maxFrameBytes} bytes`);
    }
    const { mtu } = this.#port.rules;
    if (mtu !== undefined && bytes.length > mtu + ethernetBytes + tagBytes(bytes, 0, bytes.length)) {
      this.#port.tx[this.#pair].stats.countDrops(1, 'oversize');
      throw frameSizeError(
        bytes.length,
        `send at most the MTU of ${mtu} bytes and the ${ethernetBytes} of the Ethernet header, or open the port with a larger mtu`,
      );
    }
    await settle<void>('sending a frame', options, (resolve, reject) => {
      const waiting = { bytes, sent: () => resolve(), failed: reject };
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

  /** @returns false when the frame has to wait for room */
  #attempt({ bytes, sent, failed }: Waiting): boolean {
    const { gone, link, pool } = this.#port;
    const { queue, held, longest } = this.#port.tx[this.#pair];
    if (gone) failed(linkDownError(link));
    else if (queue.broken !== null) failed(brokenError('transmit', this.#pair, queue.broken));
    else if (held) failed(notInUseError(this.#pair));
    else if (segmentsOf(bytes, pool) > longest) {
      failed(frameSizeError(bytes.length, `open the port with more than ${queue.size} descriptors per ring`));
    } else if (segmentsOf(bytes, pool) > pool.count) {
      failed(frameSizeError(bytes.length, `open the port with more than ${pool.count} buffers`));
    } else if (this.#trySend(bytes)) sent();
    else return false;
    return true;
  }

  #trySend(bytes: Uint8Array): boolean {
    const { pool } = this.#port;
    const tx = this.#port.tx[this.#pair];
    const burst = this.#burst;
    const segments = segmentsOf(bytes, pool);
    if (pool.free < segments || tx.queue.free < segments) tx.reap();
    if (pool.free < segments) return false;
    const buffers = new Int32Array(segments);
    pool.alloc(buffers, 0, segments);
    for (const [i, b] of buffers.entries()) {
      const part = bytes.subarray(i * pool.dataRoom, (i + 1) * pool.dataRoom);
      const offset = pool.dataBase + b * pool.stride;
      pool.region.u8.set(part, offset);
      pool.dataOffset[b] = offset;
      pool.dataLength[b] = part.length;
      pool.next[b] = i + 1 < segments ? buffers[i + 1] : -1;
    }
    burst.buffer[0] = buffers[0];
    burst.offset[0] = pool.dataOffset[buffers[0]];
    burst.length[0] = bytes.length;
    burst.segments[0] = segments;
    burst.count = 1;
    if (tx.send(burst) === 1) return true;
    burst.release(pool);
    return false;
  }
}

/** Buffers a frame takes. */
function segmentsOf(bytes: Uint8Array, pool: BufferPool): number {
  return Math.ceil(bytes.length / pool.dataRoom);
}
