import { type EventFd, FdWatcher } from '@vio/native';
import { PacketBurst } from '../packet-burst.ts';
import type { NetPort } from './net-port.ts';

export interface ReadOptions {
  /** Queue pair, default 0. */
  readonly queue?: number;
  readonly signal?: AbortSignal;
}

/** Empty polls, one per turn of the event loop, before the reader sleeps. */
const spins = 64;

/** Reads a queue pair adaptively: polls while there is traffic, sleeps on the call eventfd when there is none. */
export class PacketReader {
  readonly #port: NetPort;
  readonly #pair: number;
  readonly #call: EventFd;
  readonly #burst = new PacketBurst(32);

  constructor(port: NetPort, pair: number, call: EventFd) {
    this.#port = port;
    this.#pair = pair;
    this.#call = call;
  }

  async *read(options: ReadOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const rx = this.#port.rx[this.#pair];
    let idle = 0;
    while (options.signal?.aborted !== true && rx.broken === null) {
      if (rx.receive(this.#burst) > 0) {
        idle = 0;
        yield* this.#copyOut();
      } else if (!this.#port.link.up) {
        return;
      } else if (idle < spins) {
        idle++;
        await new Promise((resolve) => setImmediate(resolve));
      } else {
        await this.#sleep(options.signal);
        idle = 0;
      }
    }
  }

  /** The burst's packets as arrays of their own; their buffers go back even if the consumer stops in the middle. */
  #copyOut(): Uint8Array[] {
    const { pool } = this.#port;
    const burst = this.#burst;
    const frames: Uint8Array[] = [];
    for (let i = 0; i < burst.count; i++) {
      const frame = new Uint8Array(burst.length[i]);
      if (burst.segments[i] === 1) {
        frame.set(pool.region.u8.subarray(burst.offset[i], burst.offset[i] + burst.length[i]));
      } else {
        let at = 0;
        for (let b = burst.buffer[i]; b !== -1; b = pool.next[b]) {
          const start = pool.dataOffset[b];
          frame.set(pool.region.u8.subarray(start, start + pool.dataLength[b]), at);
          at += pool.dataLength[b];
        }
      }
      frames.push(frame);
    }
    burst.release(pool);
    return frames;
  }

  /** Until the device signals, the link goes down, or the signal aborts. */
  async #sleep(signal: AbortSignal | undefined): Promise<void> {
    const rx = this.#port.rx[this.#pair];
    // Armed first, looked again after: a packet that came in between is not slept over.
    if (rx.armInterrupt() || !this.#port.link.up) return rx.disarmInterrupt();
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        watcher.close();
        this.#port.off('link', wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const watcher = new FdWatcher(this.#call.fd, { readable: true }, () => {
        this.#call.drain();
        wake();
      });
      this.#port.on('link', wake);
      signal?.addEventListener('abort', wake, { once: true });
      if (signal?.aborted === true) wake();
    });
    rx.disarmInterrupt();
  }
}
