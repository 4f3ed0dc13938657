import { type DropReason, HDR_GSO_NONE, type PacketBurst, PacketOffloads, type QueueStats } from '@vio/net';
import { type HeaderCodec, toTransmitMetadata } from '@vio/net/internal';
import { type BufferPool, ChainBurst, type DeviceQueue } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';
import type { LargeBuffers } from './large-buffers.ts';
import { PlainPackets } from './plain-packets.ts';
import { createSingles } from './singles.ts';
import type { CopySink, PacketHolder } from './packet-holder.ts';
import type { SinglesPath } from './singles-path.ts';

const chainsPerBurst = 64;
const segmentsPerBurst = 2048;
/** Largest packet taken from a driver, in bytes; of one that is to be cut 64 KiB of IP, and Ethernet in front. */
const maxPacketBytes = 65_535;
const maxOffloadedBytes = 65_550;
/** More than the headers of any segment, in bytes. */
const segmentHeaders = 256;

/** How packets are taken. */
export interface DequeueOptions {
  /** Never in several buffers: what does not fit one is dropped. */
  readonly linear?: boolean;
  /** Never in several buffers: what does not fit one gets a large one. */
  readonly external?: LargeBuffers;
  /** What is said of packets is as a sender says it, see `toTransmitMetadata`. */
  readonly transmitMetadata?: boolean;
  /** Copies are done beside this thread, and packets taken by `submit`; `run` is not for it then. */
  readonly holder?: PacketHolder;
}

/** Takes packets out of a driver's transmit queue: copies them into buffers of a local pool. */
export class DequeuePath {
  readonly stats: QueueStats;
  readonly #copier: BurstCopier;
  readonly #header: number;
  #queue: DeviceQueue;
  #singles: SinglesPath;
  /** Only where a driver sends more than the fast way knows: most rings never need it. */
  #slowChains: ChainBurst | undefined;
  /** A holder's, while it is fetched into. */
  #held: ChainBurst | undefined;
  readonly #most: number;
  readonly #linear: boolean;
  readonly #external: LargeBuffers | undefined;
  readonly #transmitMetadata: boolean;
  /** With offloads: what headers may say, and where it is kept while a burst has no place for it. */
  readonly #codec: HeaderCodec | undefined;
  readonly #said = new PacketOffloads(chainsPerBurst);
  readonly #plain: PlainPackets;
  readonly #holder: PacketHolder | undefined;
  /** The header of a chain, copied once. */
  readonly #copied = new Uint8Array(20);
  readonly #copiedWords = new Uint16Array(this.#copied.buffer);

  /** @param codec present when the driver may leave work to its device */
  constructor(
    queue: DeviceQueue,
    copier: BurstCopier,
    headerBytes: number,
    stats: QueueStats,
    codec?: HeaderCodec,
    { linear = false, external, transmitMetadata = false, holder }: DequeueOptions = {},
  ) {
    this.#holder = holder;
    this.#linear = linear;
    this.#external = external;
    this.#transmitMetadata = transmitMetadata;
    this.#queue = queue;
    this.stats = stats;
    this.#copier = copier;
    this.#header = headerBytes;
    this.#codec = codec;
    this.#most = codec === undefined ? maxPacketBytes : maxOffloadedBytes;
    this.#plain = new PlainPackets(chainsPerBurst, stats);
    this.#singles = this.#fastWay(queue);
  }

  get #chains(): ChainBurst {
    const segments = Math.max(segmentsPerBurst, this.#queue.size);
    return (this.#slowChains ??= new ChainBurst(chainsPerBurst, segments));
  }

  /** What is being fetched into: those, or a holder's. */
  get #into(): ChainBurst {
    return this.#held ?? this.#chains;
  }

  get queue(): DeviceQueue {
    return this.#queue;
  }

  /** Goes on with another view of the same ring. */
  work(queue: DeviceQueue): void {
    this.#queue = queue;
    this.#singles = this.#fastWay(queue);
  }

  /** With offloads the header comes along, into the headroom: what is read and checked there the driver cannot change. */
  #fastWay(queue: DeviceQueue): SinglesPath {
    const front = this.#codec === undefined ? 0 : this.#header;
    const headerBytes = this.#header - front;
    return createSingles({ queue, copier: this.#copier, headerBytes, writable: false, front });
  }

  /**
   * Receives up to `max` packets into `burst`, in buffers of `pool` that belong to the caller then, or of the large buffers
   * (`burst.pool` says which): a burst has one pool, so packets that do not fit one buffer come in bursts of their own. What
   * their headers say is in `burst.offloads`; for a burst without, it is done. What is too short or too long, for the whole pool as well, or has a header
   * that makes no sense is dropped and counted as an error.
   * @returns how many, which is also `burst.count`
   */
  run(pool: BufferPool, burst: PacketBurst, max: number): number {
    burst.count = 0;
    burst.pool = pool;
    let wanted = max < burst.capacity ? max : burst.capacity;
    if (wanted > chainsPerBurst) wanted = chainsPerBurst;
    if (this.#plain.waits) {
      const from = this.#plain.pool;
      if (from !== undefined && from === this.#external?.pool) burst.pool = from;
      this.#plain.take(burst.pool, burst, wanted);
      return burst.count;
    }
    wanted = pool.available(wanted);
    if (wanted <= 0) return 0;
    if (this.#codec !== undefined) return this.#takeOffloaded(pool, burst, wanted, max, this.#codec);
    const n = this.#singles.take(pool, burst, wanted);
    if (n > 0) this.stats.countBurst(pool.region.u8, burst, 0, n);
    else if (this.#singles.blocked) this.#takeChains(pool, burst, wanted);
    if (burst.offloads !== undefined) clear(burst.offloads, burst.count);
    return burst.count;
  }

  /**
   * A burst of one packet that this side has made, as if the driver had sent it. One that fits no buffers of this pool is dropped.
   * @returns false: it is to come again, because there are no buffers right now
   */
  inject(pool: BufferPool, burst: PacketBurst, frame: Uint8Array): boolean {
    burst.count = 0;
    burst.pool = pool;
    const pieces = Math.ceil(frame.length / pool.dataRoom);
    const chained = !this.#linear && this.#external === undefined;
    if (pieces > pool.count || (pieces > 1 && !chained)) {
      this.stats.countErrors(1, 'no_room');
      return true;
    }
    if (pool.available(pieces) < pieces) return false;
    pool.alloc(burst.buffer, 0, 1);
    let [b] = burst.buffer;
    let room = this.#beginBuffer(pool, b, frame.length);
    for (let at = 0; ; room = this.#beginBuffer(pool, b, frame.length - at)) {
      pool.region.u8.set(frame.subarray(at, at + room), pool.dataOffset[b]);
      at += room;
      if (at === frame.length) break;
      pool.alloc(this.#extra, 0, 1);
      pool.next[b] = this.#extra[0];
      b = this.#extra[0];
    }
    burst.segments[0] = pieces;
    burst.offset[0] = pool.dataOffset[burst.buffer[0]];
    burst.length[0] = frame.length;
    burst.count = 1;
    if (burst.offloads !== undefined) clear(burst.offloads, 1);
    this.stats.countBurst(pool.region.u8, burst, 0, 1);
    return true;
  }

  /** True when packets that were taken off the ring wait here to be cut. */
  get waits(): boolean {
    return this.#plain.waits;
  }

  /** Gives back what waits to be cut: the ring stops. */
  dispose(): void {
    this.#plain.dispose();
  }

  #takeOffloaded(
    pool: BufferPool,
    burst: PacketBurst,
    wanted: number,
    max: number,
    codec: HeaderCodec,
  ): number {
    const said = burst.offloads ?? this.#said;
    // A pool without room for a header in front of its data takes the longer way.
    const front = pool.dataBase - this.#header;
    const roomy = pool.headroom >= this.#header && (front & 1) === 0 && (pool.stride & 1) === 0;
    const n = roomy ? this.#singles.take(pool, burst, wanted) : 0;
    if (n > 0) this.#readHeaders(pool, burst, said, codec);
    else if (!roomy || this.#singles.blocked) this.#takeChains(pool, burst, wanted, said);
    return this.#say(burst, said, max);
  }

  /** What headers say of the packets of a burst is told there, or done. */
  #say(burst: PacketBurst, said: PacketOffloads, max: number): number {
    const { pool, offloads } = burst;
    if (pool === undefined) return 0;
    if (this.#transmitMetadata && offloads !== undefined) toTransmitMetadata(pool, burst, said);
    if (offloads === undefined && burst.count > 0)
      this.#plain.complete(pool, burst, said, Math.min(max, burst.capacity));
    return burst.count;
  }

  /** With a holder: gives it up to `wanted` packets, in buffers of `pool` or large ones. @param burst to work in; it is empty after */
  submit(pool: BufferPool, burst: PacketBurst, wanted: number): void {
    burst.count = 0;
    burst.pool = pool;
    this.#takeChains(pool, burst, wanted, this.#codec === undefined ? undefined : this.#said);
    burst.count = 0;
  }

  /** With a holder: what waits to be cut goes first. @returns how many, which is also `burst.count`; 0: none waits */
  takeWaiting(burst: PacketBurst, max: number): number {
    const { pool } = this.#plain;
    burst.count = 0;
    if (pool === undefined) return 0;
    burst.pool = pool;
    this.#plain.take(pool, burst, max < burst.capacity ? max : burst.capacity);
    return burst.count;
  }

  /** With a holder: ends what packets of it came for, once their bytes are there. @returns how many, which is also `burst.count` */
  finish(burst: PacketBurst, said: PacketOffloads, max: number): number {
    if (burst.count > 0 && burst.pool !== undefined)
      this.stats.countBurst(burst.pool.region.u8, burst, 0, burst.count);
    return this.#say(burst, said, max);
  }

  /** Of packets that came with their headers in front of them. */
  #readHeaders(pool: BufferPool, burst: PacketBurst, said: PacketOffloads, codec: HeaderCodec): void {
    const { u16, u8 } = pool.region;
    const { length, offset, count } = burst;
    let n = 0;
    for (let i = 0; i < count; i++) {
      const bytes = length[i];
      const reason =
        bytes <= 0
          ? 'length'
          : codec.read(u16, offset[i] - this.#header, bytes, said, n)
            ? undefined
            : 'header';
      if (reason !== undefined) {
        this.stats.countErrors(1, reason);
        burst.releaseOne(i);
        continue;
      }
      if (n < i) {
        burst.buffer[n] = burst.buffer[i];
        offset[n] = offset[i];
        length[n] = bytes;
      }
      n++;
    }
    burst.count = n;
    this.stats.countBurst(u8, burst, 0, n);
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

  /** @param said with offloads, where it goes what headers say */
  #takeChains(pool: BufferPool, burst: PacketBurst, wanted: number, said?: PacketOffloads): void {
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
    this.stats.countBurst(into.region.u8, burst, 0, n);
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
    this.stats.countErrors(1, reason);
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
      this.stats.countDrops(fetched, 'stopped');
    }
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
    let room = this.#beginBuffer(pool, b, left);
    while (left > 0) {
      if (room === 0) {
        pool.alloc(this.#extra, 0, 1);
        pool.next[b] = this.#extra[0];
        b = this.#extra[0];
        room = this.#beginBuffer(pool, b, left);
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

  readonly #extra = new Int32Array(1);

  /** @returns bytes this buffer will hold */
  #beginBuffer(pool: BufferPool, b: number, left: number): number {
    const bytes = left < pool.dataRoom ? left : pool.dataRoom;
    pool.dataOffset[b] = pool.dataBase + b * pool.stride;
    pool.dataLength[b] = bytes;
    return bytes;
  }
}

function clear({ flags, gsoType }: PacketOffloads, count: number): void {
  flags.fill(0, 0, count);
  gsoType.fill(0, 0, count);
}
