import {
  type DropReason,
  HDR_GSO_NONE,
  type PacketBurst,
  type PacketOffloads,
  type QueueStats,
} from '@vio/net';
import type { HeaderCodec } from '@vio/net/internal';
import { type BufferPool, ChainBurst, type DeviceQueue } from '@vio/rings';
import { appendBuffer, beginBuffer } from './buffer-chain.ts';
import type { BurstCopier } from './burst-copier.ts';
import { chainsPerBurst, segmentsPerBurst } from './burst-limits.ts';
import type { DequeueOptions } from './dequeue-options.ts';
import type { LargeBuffers } from './large-buffers.ts';
import type { CopySink, PacketHolder } from './packet-holder.ts';

/** Largest packet taken from a driver, in bytes; of one that is to be cut 64 KiB of IP, and Ethernet in front. */
const maxPacketBytes = 65_535;
const maxOffloadedBytes = 65_550;
/** More than the headers of any segment, in bytes. */
const segmentHeaders = 256;

/** What a transmit queue is taken from by. */
export interface DequeueParts {
  readonly queue: DeviceQueue;
  readonly copier: BurstCopier;
  readonly headerBytes: number;
  readonly stats: QueueStats;
  /** Present when the driver may leave work to its device. */
  readonly codec: HeaderCodec | undefined;
  readonly options: DequeueOptions;
}

/**
 * Takes packets of any kind out of a driver's transmit queue, chain by chain: of several segments, into several buffers, into large
 * ones, or into a holder's.
 */
export class DequeueChains {
  readonly #copier: BurstCopier;
  readonly #header: number;
  readonly #stats: QueueStats;
  readonly #codec: HeaderCodec | undefined;
  readonly #most: number;
  readonly #linear: boolean;
  readonly #external: LargeBuffers | undefined;
  readonly #holder: PacketHolder | undefined;
  #queue: DeviceQueue;
  /** Only where a driver sends more than the fast way knows: most rings never need it. */
  #own: ChainBurst | undefined;
  /** A holder's, while it is fetched into. */
  #held: ChainBurst | undefined;
  /** The header of a chain, copied once. */
  readonly #copied = new Uint8Array(20);
  readonly #copiedWords = new Uint16Array(this.#copied.buffer);

  constructor({ queue, copier, headerBytes, stats, codec, options }: DequeueParts) {
    this.#queue = queue;
    this.#copier = copier;
    this.#header = headerBytes;
    this.#stats = stats;
    this.#codec = codec;
    this.#most = codec === undefined ? maxPacketBytes : maxOffloadedBytes;
    this.#linear = options.linear ?? false;
    this.#external = options.external;
    this.#holder = options.holder;
  }

  /** Goes on with another view of the same ring. */
  work(queue: DeviceQueue): void {
    this.#queue = queue;
  }

  get #chains(): ChainBurst {
    const segments = Math.max(segmentsPerBurst, this.#queue.size);
    return (this.#own ??= new ChainBurst(chainsPerBurst, segments));
  }

  /** What is being fetched into: those, or a holder's. */
  get #into(): ChainBurst {
    return this.#held ?? this.#chains;
  }

  /**
   * Takes up to `wanted` packets into the burst, from entry 0 on, in buffers of `pool` or of the large ones (`burst.pool` says which);
   * or gives them to the holder, one by one. What no burst will ever have is dropped and counted.
   * @param said with offloads, where it goes what headers say
   */
  take(pool: BufferPool, burst: PacketBurst, wanted: number, said?: PacketOffloads): void {
    const holder = this.#holder;
    this.#held = holder?.chains();
    const chains = this.#into;
    const header = this.#header;
    const first = holder === undefined ? 0 : chains.count;
    const more = first === 0 ? this.#queue.fetch(chains, wanted) : this.#queue.fetchMore(chains, wanted);
    if (more === 0) return;
    const fetched = first + more;
    const copier: CopySink = holder === undefined ? this.#copier : holder.copies;
    const { buffer, offset, length, segments } = burst;
    let into = pool;
    let local = copier.localHandle(into.region);
    // A head for every chain; heads of packets to come are given up for the segments of one in front of them.
    let heads = into.alloc(buffer, 0, more);
    let n = 0;
    let c = first;
    for (; c < fetched; c++) {
      const bytes = chains.readableBytes[c] - header;
      if (bytes <= 0 || bytes > this.#most) {
        this.#drop(c, 'length');
        continue;
      }
      if (said !== undefined && !this.#readHeader(c, bytes, said, n)) {
        this.#drop(c, 'header');
        continue;
      }
      const large =
        bytes > pool.dataRoom && !this.#isCutLater(pool, burst, said, n) ? this.#external : undefined;
      const next = large === undefined ? pool : large.pool;
      if (next !== into) {
        // A burst has one pool.
        if (n > 0) break;
        into.release(buffer, 0, heads);
        into = next;
        local = copier.localHandle(into.region);
        heads = into.alloc(buffer, 0, fetched - c);
      }
      const needed = bytes <= into.dataRoom ? 1 : Math.ceil(bytes / into.dataRoom);
      const chained = large === undefined && (!this.#linear || this.#external !== undefined);
      if (needed > into.count || (needed > 1 && !chained)) {
        this.#drop(c, 'no_room');
        continue;
      }
      if (needed - (n < heads ? 1 : 0) > into.free) {
        into.release(buffer, n, heads - n);
        heads = n;
        if (into.available(needed) < needed) {
          // It and what follows stay with the driver until buffers come back; linear ones are lost without a large buffer.
          if (large === undefined || !this.#linear) break;
          this.#drop(c, 'no_room');
          continue;
        }
      }
      if (n === heads) heads += into.alloc(buffer, n, 1);
      const segment = chains.firstSegment[c];
      const b = buffer[n];
      const to = into.dataBase + b * into.stride;
      if (needed === 1 && chains.length[segment] >= header + bytes) {
        copier.fromDriver(chains.window[segment], chains.offset[segment] + header, local, to, bytes);
      } else {
        this.#copyChain(c, bytes, into, b, local, copier);
      }
      chains.written[c] = 0;
      segments[n] = needed;
      offset[n] = to;
      length[n] = bytes;
      if (holder !== undefined) {
        burst.pool = into;
        holder.packet(burst, n, 1, said);
      }
      n++;
    }
    copier.run();
    into.release(buffer, n, heads - n);
    if (c < fetched) this.#queue.unfetch(chains, fetched - c);
    burst.count = n;
    burst.pool = into;
    if (holder !== undefined) return holder.complete(chains, first, c - first);
    if (c > first) this.#queue.complete(chains, first, c - first);
    this.#stats.countBurst(into.region.u8, burst, 0, n);
  }

  /**
   * Takes, counts and forgets what there is, one ring's worth of descriptors: what a disabled ring does with a driver's packets. A
   * driver that keeps up does not keep us here.
   */
  drain(): void {
    const chains = this.#chains;
    for (let left = this.#queue.size; left > 0; left -= chains.descriptors) {
      const fetched = this.#queue.fetch(chains, left < chainsPerBurst ? left : chainsPerBurst);
      if (fetched === 0) return;
      chains.written.fill(0, 0, fetched);
      this.#queue.complete(chains, 0, fetched);
      this.#stats.countDrops(fetched, 'stopped');
    }
  }

  /** The header of chain `c`, copied once and checked. @returns false when it makes no sense */
  #readHeader(c: number, bytes: number, said: PacketOffloads, entry: number): boolean {
    const chains = this.#into;
    const { windows } = this.#copier.map;
    let segment = chains.firstSegment[c];
    for (let i = 0, at = 0; i < this.#header; i++, at++) {
      while (at >= chains.length[segment]) {
        segment++;
        at = 0;
      }
      this.#copied[i] = windows[chains.window[segment]].region.u8[chains.offset[segment] + at];
    }
    return this.#codec === undefined || this.#codec.read(this.#copiedWords, 0, bytes, said, entry);
  }

  /** True for a packet that is only here until it is cut, into segments that fit one buffer each. */
  #isCutLater(pool: BufferPool, burst: PacketBurst, said: PacketOffloads | undefined, n: number): boolean {
    if (said === undefined || burst.offloads !== undefined || said.gsoType[n] === HDR_GSO_NONE) return false;
    return said.segmentSize[n] + segmentHeaders <= pool.dataRoom;
  }

  /** A packet that nobody gets: the driver has its chain back. */
  #drop(c: number, reason: DropReason): void {
    this.#into.written[c] = 0;
    this.#holder?.skip(1);
    this.#stats.countErrors(1, reason);
  }

  /** A packet of several segments, or for several buffers: `head`, and others of the pool, of which there are enough. */
  #copyChain(
    c: number,
    bytes: number,
    pool: BufferPool,
    head: number,
    local: number,
    copier: CopySink,
  ): void {
    const chains = this.#into;
    let segment = chains.firstSegment[c];
    let skip = this.#header;
    while (skip >= chains.length[segment]) skip -= chains.length[segment++];
    let left = bytes;
    let b = head;
    let room = beginBuffer(pool, b, left);
    while (left > 0) {
      if (room === 0) {
        b = appendBuffer(pool, b);
        room = beginBuffer(pool, b, left);
      }
      const available = chains.length[segment] - skip;
      const part = available < room ? available : room;
      const to = pool.dataOffset[b] + pool.dataLength[b] - room;
      copier.fromDriver(chains.window[segment], chains.offset[segment] + skip, local, to, part);
      left -= part;
      room -= part;
      skip += part;
      if (skip === chains.length[segment]) {
        segment++;
        skip = 0;
      }
    }
  }
}
