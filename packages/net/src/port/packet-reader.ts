import { completeChecksum } from '../offload/checksum.ts';
import { HDR_F_NEEDS_CSUM } from '../offload/packet-offloads.ts';
import type { PacketBurst } from '../packet-burst.ts';
import type { PortCore } from './port-core.ts';
import { brokenError, busyError } from './port-errors.ts';
import { type RxWait, untilPackets } from './rx-wait.ts';

/** Empty polls, one per turn of the event loop, before the reader sleeps. */
const spins = 64;

/** Bursts after which the event loop has a turn, however much there is to read: timers, sockets and signals want one too. */
const burstsPerTurn = 32;

/**
 * Reads a queue pair adaptively: polls while there is traffic, sleeps on the call eventfd when there is none. One
 * reader at a time: what one has received another would miss.
 */
export class PacketReader {
  readonly #port: PortCore;
  readonly #pair: number;
  readonly #wait: RxWait;
  readonly #burst: PacketBurst;
  /** By buffer: its last frame as an array. Frames of one length are all there is to many streams. */
  readonly #views: (Uint8Array | undefined)[] = [];
  #busy = false;

  constructor(wait: RxWait, pair: number) {
    this.#port = wait.port;
    this.#wait = wait;
    this.#pair = pair;
    this.#burst = wait.port.burst();
  }

  /** Frame by frame, each an array of its own. */
  async *read(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const burst of this.#bursts(signal)) {
      // All of them before the first is given away: the consumer may be long about it, and the device wants the buffers.
      const frames = this.#frames(burst, (i) => this.#copy(burst, i));
      burst.release();
      burst.count = 0;
      for (const frame of frames) {
        yield frame;
        if (signal?.aborted === true) return;
      }
    }
  }

  /** Burst by burst, where the frames lie. */
  async *batches(signal: AbortSignal | undefined): AsyncGenerator<readonly Uint8Array[], void, undefined> {
    for await (const burst of this.#bursts(signal)) {
      yield this.#frames(burst, (i) =>
        burst.segments[i] === 1 ? this.#view(burst, i) : this.#copy(burst, i),
      );
    }
  }

  /** The burst again and again, as it was received; what is in it then goes back to the pool. */
  async *#bursts(signal: AbortSignal | undefined): AsyncGenerator<PacketBurst, void, undefined> {
    if (this.#busy) throw busyError(this.#pair);
    this.#busy = true;
    const port = this.#port;
    const rx = port.rx[this.#pair];
    const burst = this.#burst;
    const aborted = (): boolean => signal?.aborted === true;
    try {
      let idle = 0;
      let busy = 0;
      while (!aborted() && !port.closed) {
        if (rx.receive(burst) > 0) {
          idle = 0;
          try {
            yield burst;
          } finally {
            burst.release();
            burst.count = 0;
          }
          if (++busy % burstsPerTurn === 0) await turn();
        } else if (rx.broken !== undefined) {
          throw brokenError('receive', this.#pair, rx.broken);
        } else if (port.gone) {
          return;
        } else if (idle < spins) {
          idle++;
          await turn();
        } else {
          await untilPackets(this.#wait, [this.#pair], signal);
          idle = 0;
        }
      }
    } finally {
      this.#busy = false;
    }
  }

  #frames(burst: PacketBurst, frameOf: (i: number) => Uint8Array): Uint8Array[] {
    const { offloads } = burst;
    const frames: Uint8Array[] = [];
    for (let i = 0; i < burst.count; i++) {
      const frame = frameOf(i);
      if (offloads !== undefined && (offloads.flags[i] & HDR_F_NEEDS_CSUM) !== 0) {
        completeChecksum(frame, offloads.checksumStart[i], offloads.checksumOffset[i]);
      }
      frames.push(frame);
    }
    return frames;
  }

  #copy({ buffer, offset, length, segments }: PacketBurst, i: number): Uint8Array {
    const { pool } = this.#port;
    const { u8 } = pool.region;
    const frame = new Uint8Array(length[i]);
    if (segments[i] === 1) {
      frame.set(u8.subarray(offset[i], offset[i] + length[i]));
      return frame;
    }
    let at = 0;
    for (let b = buffer[i]; b !== -1; b = pool.next[b]) {
      const start = pool.dataOffset[b];
      frame.set(u8.subarray(start, start + pool.dataLength[b]), at);
      at += pool.dataLength[b];
    }
    return frame;
  }

  #view({ buffer, offset, length }: PacketBurst, i: number): Uint8Array {
    const { u8 } = this.#port.pool.region;
    const known = this.#views[buffer[i]];
    if (
      known !== undefined &&
      known.buffer === u8.buffer &&
      known.byteOffset === u8.byteOffset + offset[i] &&
      known.length === length[i]
    ) {
      return known;
    }
    const view = u8.subarray(offset[i], offset[i] + length[i]);
    this.#views[buffer[i]] = view;
    return view;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
