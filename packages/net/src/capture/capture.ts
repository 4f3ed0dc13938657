import type { BurstTap } from '../frames/burst-tap.ts';
import type { PacketBurst } from '../packet-burst.ts';
import type { CaptureFormat, CaptureSource } from './capture-format.ts';
import { classicFormat } from './classic-format.ts';
import { pcapngFormat } from './pcapng-format.ts';

/** What a capture keeps, and how it is written down. */
export interface CaptureOptions {
  /** Bytes kept of each packet, 1 to 262144. Default: all of it. */
  readonly snaplen?: number;
  /** Bytes that may wait to be read; packets beyond are dropped from the capture and counted. Default 4 MiB. */
  readonly buffer?: number;
  /** `pcapng` names the queue and direction of every packet, and at the end how many are missing. Default `pcap`. */
  readonly format?: 'pcap' | 'pcapng';
  /** Ends the capture. */
  readonly signal?: AbortSignal;
}

/** A queue that can be watched. */
export interface Watched {
  /** What the capture calls the queue. */
  readonly source: CaptureSource;
  /** Shows the queue's bursts to a tap from now on. @returns shows them no more */
  watch(tap: BurstTap): () => void;
}

/** Bytes of a chunk of the stream, unless a record is larger. */
const chunkBytes = 65_536;
const maxSnaplen = 262_144;

/**
 * A capture that is going on: an asynchronous iterable of the bytes of a pcap or pcapng file. Packets are copied as they
 * pass; what nobody reads in time is dropped from the capture, never from the traffic.
 */
export class Capture implements AsyncIterable<Uint8Array>, Disposable {
  /** Packets in the stream so far. */
  captured = 0;
  readonly #unwatch: readonly (() => void)[];
  readonly #dropped: number[];
  readonly #format: CaptureFormat;
  readonly #snaplen: number;
  readonly #limit: number;
  readonly #signal: AbortSignal | undefined;
  readonly #head: Uint8Array;
  /** Chunks that are full, and the one that is being filled. */
  readonly #chunks: Uint8Array[] = [];
  #chunk = new Uint8Array(0);
  #view = new DataView(new ArrayBuffer(0));
  #filled = 0;
  /** Bytes nobody has read yet. */
  #waiting = 0;
  #stopped = false;
  #wake: (() => void) | undefined;

  /**
   * @internal Made by `capture` of ports and devices.
   * @throws RangeError when an option is out of range, or there is nothing to watch
   */
  constructor(watched: readonly Watched[], options: CaptureOptions = {}) {
    const { snaplen = maxSnaplen, buffer = 4 << 20, format = 'pcap', signal } = options;
    if (!Number.isInteger(snaplen) || snaplen < 1 || snaplen > maxSnaplen)
      throw new RangeError(`snaplen ${snaplen} is not 1 to ${maxSnaplen}`);
    if (!Number.isInteger(buffer) || buffer < 1 || buffer > 2 ** 30)
      throw new RangeError(`a buffer of ${buffer} bytes is not 1 to ${2 ** 30}`);
    if (watched.length === 0) throw new RangeError('there is no queue to capture from');
    this.#snaplen = snaplen;
    this.#limit = buffer;
    this.#format = format === 'pcap' ? classicFormat : pcapngFormat();
    this.#dropped = watched.map(() => 0);
    this.#head = this.#format.head(
      watched.map(({ source }) => source),
      snaplen,
    );
    this.#signal = signal;
    if (signal?.aborted === true) {
      this.#stopped = true;
      this.#unwatch = [];
      return;
    }
    signal?.addEventListener('abort', this.#stop, { once: true });
    this.#unwatch = watched.map((queue, source) =>
      queue.watch({ see: (burst, from, end) => this.#see(source, burst, from, end) }),
    );
  }

  /** Packets that are missing in the stream because it was not read fast enough. */
  get dropped(): number {
    return this.#dropped.reduce((sum, packets) => sum + packets, 0);
  }

  /** Ends the capture; what waits can still be read. Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#signal?.removeEventListener('abort', this.#stop);
    for (const unwatch of this.#unwatch) unwatch();
    this.#wake?.();
  }

  readonly #stop = (): void => this.stop();

  [Symbol.dispose](): void {
    this.stop();
  }

  /** The bytes of the file, chunk by chunk. To be read once; who stops reading stops the capture. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      const head = this.#head;
      yield head;
      for (;;) {
        const chunk = this.#take();
        if (chunk !== undefined) yield chunk;
        else if (this.#stopped) break;
        else await this.#more();
      }
      const tail = this.#format.tail(this.#dropped);
      if (tail.length > 0) yield tail;
    } finally {
      this.stop();
    }
  }

  #see(source: number, burst: PacketBurst, from: number, end: number): void {
    // Whoever does not read costs next to nothing.
    if (
      from < end &&
      this.#waiting + this.#format.recordBytes(Math.min(burst.length[from], this.#snaplen)) > this.#limit
    ) {
      this.#dropped[source] += end - from;
      return;
    }
    const microseconds = Math.floor((performance.timeOrigin + performance.now()) * 1000);
    for (let i = from; i < end; i++) {
      const wire = burst.length[i];
      const captured = wire < this.#snaplen ? wire : this.#snaplen;
      const bytes = this.#format.recordBytes(captured);
      if (this.#waiting + bytes > this.#limit) {
        this.#dropped[source] += end - i;
        break;
      }
      if (this.#filled + bytes > this.#chunk.length) this.#newChunk(bytes);
      const at = this.#format.record(this.#view, this.#filled, source, microseconds, captured, wire);
      copyPacket(burst, i, captured, this.#chunk, at);
      this.#filled += bytes;
      this.#waiting += bytes;
      this.captured++;
    }
    this.#wake?.();
  }

  #newChunk(least: number): void {
    if (this.#filled > 0) this.#chunks.push(this.#chunk.subarray(0, this.#filled));
    this.#chunk = new Uint8Array(Math.max(chunkBytes, least));
    this.#view = new DataView(this.#chunk.buffer);
    this.#filled = 0;
  }

  /** @returns the oldest bytes that wait, or undefined */
  #take(): Uint8Array | undefined {
    let chunk = this.#chunks.shift();
    if (chunk === undefined && this.#filled > 0) {
      chunk = this.#chunk.subarray(0, this.#filled);
      this.#chunk = new Uint8Array(0);
      this.#filled = 0;
    }
    if (chunk === undefined) return undefined;
    this.#waiting -= chunk.length;
    return chunk;
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}

/** Copies the first bytes of a packet, whatever number of buffers they are in. */
function copyPacket(burst: PacketBurst, i: number, bytes: number, target: Uint8Array, at: number): void {
  const pool = burst.owner;
  const { u8 } = pool.region;
  if (burst.segments[i] === 1) {
    target.set(u8.subarray(burst.offset[i], burst.offset[i] + bytes), at);
    return;
  }
  let left = bytes;
  for (let b = burst.buffer[i]; left > 0 && b !== -1; b = pool.next[b]) {
    const start = pool.dataOffset[b];
    const part = Math.min(left, pool.dataLength[b]);
    target.set(u8.subarray(start, start + part), at + bytes - left);
    left -= part;
  }
}
