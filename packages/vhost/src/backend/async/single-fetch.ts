import { type PacketBurst, PacketOffloads } from '@vio/net';
import type { HeaderCodec } from '@vio/net/internal';
import type { BufferPool, DeviceQueue, MemoryMap } from '@vio/rings';
import type { SingleBurst, SingleKind } from '@vio/rings/internal';
import { chainsPerBurst } from '../packets/burst-limits.ts';
import { type SinglesHolder, unfetchSingles } from './single-chains.ts';
import { CopyRun } from './transfers.ts';

/** Longest packet in one buffer, in bytes; what `DequeuePath` takes of any driver. */
const longestPacket = 65_535;
/** Of a header, all that says something: 10 bytes. */
const headerHalves = 5;

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
  readonly #memory: MemoryMap;
  readonly #codec: HeaderCodec | undefined;
  readonly #holder: SinglesHolder;
  readonly #kind: SingleKind;
  readonly #said = new PacketOffloads(chainsPerBurst);
  readonly #run = new CopyRun();
  /** The header of a packet, copied once. */
  readonly #copied = new Uint16Array(headerHalves);

  constructor({ queue, memory, header, codec, holder }: SingleFetchOptions) {
    this.#queue = queue;
    this.#memory = memory;
    this.#codec = codec;
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
    const codec = this.#codec;
    const said = codec === undefined ? undefined : this.#said;
    const { window, offset: starts, length: bytes } = singles;
    const { offset, length } = burst;
    burst.pool = pool;
    pool.allocBurst(burst, fetched, 0);
    const n = codec === undefined ? fetched : this.#readHeaders(codec, singles);
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

  /** Copies headers, and reads the copies. @returns how many make sense, up to the first that does not */
  #readHeaders(codec: HeaderCodec, { window, offset, length, count, prefix }: SingleBurst): number {
    const copied = this.#copied;
    const { u16, u8 } = this.#memory.windows[window].region;
    for (let n = 0; n < count; n++) {
      const at = offset[n] - prefix;
      if ((at & 1) === 0) {
        const half = at >>> 1;
        for (let i = 0; i < headerHalves; i++) copied[i] = u16[half + i];
      } else for (let i = 0; i < headerHalves; i++) copied[i] = u8[at + 2 * i] | (u8[at + 2 * i + 1] << 8);
      if (!codec.read(copied, 0, length[n], this.#said, n)) return n;
    }
    return count;
  }
}
