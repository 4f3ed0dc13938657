import { VioError, type WaitOptions, timeoutError } from '@vio/native';
import { PacketBurst } from '../packet-burst.ts';
import type { NetPort } from './net-port.ts';

export type SendOptions = WaitOptions;

/** Largest frame in bytes, as in DPDK's virtio PMD. */
export const maxFrameBytes = 9728;

/** Sends single frames on one queue pair, in the order of the calls. */
export class PacketWriter {
  readonly #port: NetPort;
  readonly #pair: number;
  readonly #burst = new PacketBurst(1);
  #turn: Promise<void> = Promise.resolve();

  constructor(port: NetPort, pair: number) {
    this.#port = port;
    this.#pair = pair;
  }

  send(bytes: Uint8Array, options: SendOptions): Promise<void> {
    const sent = this.#turn.then(() => this.#send(bytes, options));
    this.#turn = sent.catch(() => {});
    return sent;
  }

  async #send(bytes: Uint8Array, options: SendOptions): Promise<void> {
    if (bytes.length < 1 || bytes.length > maxFrameBytes) {
      throw new VioError(`a frame of ${bytes.length} bytes cannot be sent`, {
        code: 'VIO_FRAME_SIZE',
        remedy: `send 1 to ${maxFrameBytes} bytes`,
      });
    }
    const begin = performance.now();
    while (!this.#trySend(bytes)) {
      this.#check(options, begin);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** @returns false while ring or pool are full */
  #trySend(bytes: Uint8Array): boolean {
    const { pool } = this.#port;
    const tx = this.#port.tx[this.#pair];
    const burst = this.#burst;
    const needed = Math.ceil(bytes.length / pool.dataRoom);
    if (pool.free < needed || tx.queue.free < needed) tx.reap();
    if (pool.free < needed || !this.#port.link.up) return false;
    let previous = -1;
    for (let i = 0; i < needed; i++) {
      const part = bytes.subarray(i * pool.dataRoom, (i + 1) * pool.dataRoom);
      const [b] = this.#take();
      const offset = pool.dataBase + b * pool.stride;
      pool.region.u8.set(part, offset);
      pool.dataOffset[b] = offset;
      pool.dataLength[b] = part.length;
      if (previous === -1) {
        burst.buffer[0] = b;
        burst.offset[0] = offset;
      } else {
        pool.next[previous] = b;
      }
      previous = b;
    }
    burst.length[0] = bytes.length;
    burst.segments[0] = needed;
    burst.count = 1;
    if (tx.send(burst) === 1) return true;
    burst.release(pool);
    return false;
  }

  readonly #scratch = new Int32Array(1);
  #take(): Int32Array {
    this.#port.pool.alloc(this.#scratch, 0, 1);
    return this.#scratch;
  }

  #check({ timeout, signal }: SendOptions, begin: number): void {
    const broken = this.#port.tx[this.#pair].queue.broken;
    if (broken !== null) {
      throw new VioError(`transmit queue ${this.#pair} is broken: ${broken.detail}`, {
        code: 'VIO_QUEUE_BROKEN',
        remedy:
          'the backend wrote what no backend may write: close the port, and mend or replace the backend',
      });
    }
    if (!this.#port.link.up) {
      throw new VioError('the link is down', {
        code: 'VIO_LINK_DOWN',
        remedy: 'wait for the backend to come back, or open the port again',
        retryable: true,
        cause: this.#port.link.reason,
      });
    }
    if (timeout !== undefined && performance.now() - begin > timeout)
      throw timeoutError('sending a frame', timeout);
    if (signal?.aborted === true) {
      throw new VioError('sending a frame was aborted', {
        code: 'VIO_ABORTED',
        remedy: 'nothing to mend: the AbortSignal given to the call was aborted',
        cause: signal.reason,
      });
    }
  }
}
