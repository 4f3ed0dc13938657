import type { PacketBurst } from '@vio/net';
import type { HeaderCodec } from '@vio/net/internal';
import type { BufferPool, DeviceQueue, MemoryMap } from '@vio/rings';
import type { SingleKind } from '@vio/rings/internal';
import { chainsPerBurst } from '../packets/burst-limits.ts';
import { type SinglesHolder, unfetchSingles } from './single-chains.ts';
import { SingleHeaders } from './single-headers.ts';
import { CopyRun } from './transfers.ts';

/** Longest packet in one buffer, in bytes; what `DequeuePath` takes of any driver. */
export const longestPacket = 65_535;

/** What the fast way works on. */
export interface SingleFetchOptions {
  readonly queue: DeviceQueue;
  readonly memory: MemoryMap;
  /** Bytes of the header in front of a packet. */
  readonly header: number;
  /** With offloads: what headers may say. */
  readonly codec: HeaderCodec | undefined;
  readonly holder: SinglesHolder;
}

/**
 * The fast way of a driver's packets that are copied beside this thread: each in one descriptor, to one buffer. What stops it
 * (`blocked`) is for `DequeuePath`, which takes everything.
 */
export class SingleFetch {
  /** True when the last call stopped at a chain, or a header, that is not of this kind. */
  blocked = false;
  readonly #queue: DeviceQueue;
  readonly #holder: SinglesHolder;
  readonly #kind: SingleKind;
  readonly #headers: SingleHeaders | undefined;
  readonly #run = new CopyRun();

  constructor({ queue, memory, header, codec, holder }: SingleFetchOptions) {
    this.#queue = queue;
    this.#headers = codec === undefined ? undefined : new SingleHeaders(memory, codec);
    this.#holder = holder;
    this.#kind = { writable: false, prefix: header };
    this.#run.counts = new Int32Array(chainsPerBurst).fill(1);
  }

  /**
   * Submits up to `wanted` packets, to buffers of `pool`, which has as many.
   * @param burst to work in
   * @returns how many
   */
  take(pool: BufferPool, burst: PacketBurst, wanted: number): number {
    const holder = this.#holder;
    const singles = holder.singles();
    const most = pool.dataRoom < longestPacket ? pool.dataRoom : longestPacket;
    const fetched = this.#queue.fetchSingles(singles, wanted, this.#kind, 1, most);
    this.blocked = singles.blocked;
    if (fetched === 0) return 0;
    const { copies } = holder;
    const local = copies.localHandle(pool.region);
    const said = this.#headers?.said;
    const { window, offset: starts, length: bytes } = singles;
    const { offset, length } = burst;
    burst.pool = pool;
    pool.allocBurst(burst, fetched, 0);
    const n = this.#headers?.read(singles) ?? fetched;
    for (let i = 0; i < n; i++) length[i] = bytes[i];
    const run = this.#run;
    run.copies = n;
    run.from = starts;
    run.to = offset;
    run.bytes = length;
    if (!holder.run(burst, 0, n, local, run, said))
      for (let i = 0; i < n; i++) {
        copies.fromDriver(window, starts[i], local, offset[i], bytes[i]);
        holder.packet(burst, i, 1, said);
      }
    copies.run();
    if (n < fetched) {
      this.blocked = true;
      pool.release(burst.buffer, n, fetched - n);
      unfetchSingles(this.#queue, singles, n);
    }
    if (n > 0) holder.holdSingles(n);
    return n;
  }
}
