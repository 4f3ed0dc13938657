import type { OptionNames } from '@vio/native';
import { completeChecksum } from '../offload/checksum.ts';
import { HDR_F_NEEDS_CSUM } from '../offload/packet-offloads.ts';
import type { PacketBurst } from '../packet-burst.ts';
import type { PortCore } from './port-core.ts';
import { brokenError, busyError } from './port-errors.ts';
import { type RxWait, untilPackets } from './rx-wait.ts';

/** What is read, and for how long. */
export interface ReadOptions {
  /** Queue pair, default 0. */
  readonly queue?: number;
  /** Ends reading when it aborts. */
  readonly signal?: AbortSignal;
}

export const readNames: OptionNames<ReadOptions> = { queue: true, signal: true };

/** Empty polls, one per turn of the event loop, before the reader sleeps. */
const spins = 64;

/**
 * Reads a queue pair adaptively: polls while there is traffic, sleeps on the call eventfd when there is none. One
 * reader at a time: what one has received another would miss.
 */
export class PacketReader {
  readonly #port: PortCore;
  readonly #pair: number;
  readonly #wait: RxWait;
  readonly #burst: PacketBurst;
  #busy = false;

  constructor(wait: RxWait, pair: number) {
    this.#port = wait.port;
    this.#wait = wait;
    this.#pair = pair;
    this.#burst = wait.port.burst();
  }

  async *read(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#busy) throw busyError(this.#pair);
    this.#busy = true;
    try {
      yield* this.#frames(signal);
    } finally {
      this.#busy = false;
    }
  }

  async *#frames(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    const port = this.#port;
    const rx = port.rx[this.#pair];
    const aborted = (): boolean => signal?.aborted === true;
    let idle = 0;
    while (!aborted() && !port.closed) {
      if (rx.receive(this.#burst) > 0) {
        idle = 0;
        for (const frame of this.#copyOut()) {
          yield frame;
          if (aborted()) return;
        }
      } else if (rx.broken !== null) {
        throw brokenError('receive', this.#pair, rx.broken);
      } else if (port.gone) {
        return;
      } else if (idle < spins) {
        idle++;
        await new Promise((resolve) => setImmediate(resolve));
      } else {
        await untilPackets(this.#wait, [this.#pair], signal);
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
      const { offloads } = burst;
      if (offloads !== null && (offloads.flags[i] & HDR_F_NEEDS_CSUM) !== 0) {
        completeChecksum(frame, offloads.checksumStart[i], offloads.checksumOffset[i]);
      }
      frames.push(frame);
    }
    burst.release(pool);
    return frames;
  }
}
