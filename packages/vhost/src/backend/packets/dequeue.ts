import { type PacketBurst, PacketOffloads, type QueueStats } from '@vio/net';
import { type HeaderCodec, toTransmitMetadata } from '@vio/net/internal';
import type { BufferPool, DeviceQueue } from '@vio/rings';
import type { BurstCopier } from './burst-copier.ts';
import { chainsPerBurst } from './burst-limits.ts';
import { DequeueChains } from './dequeue-chains.ts';
import type { DequeueOptions } from './dequeue-options.ts';
import { FastPath } from './fast-path.ts';
import { injectPacket } from './inject-packet.ts';
import type { LargeBuffers } from './large-buffers.ts';
import { PlainPackets } from './plain-packets.ts';

/** Takes packets out of a driver's transmit queue: copies them into buffers of a local pool. */
export class DequeuePath {
  readonly stats: QueueStats;
  readonly #copier: BurstCopier;
  readonly #header: number;
  #queue: DeviceQueue;
  #fast: FastPath;
  /** For what the fast way does not take. */
  readonly #chains: DequeueChains;
  readonly #linear: boolean;
  readonly #external: LargeBuffers | undefined;
  readonly #transmitMetadata: boolean;
  /** With offloads: what headers may say, and where it is kept while a burst has no place for it. */
  readonly #codec: HeaderCodec | undefined;
  #lateSaid: PacketOffloads | undefined;
  /** Made when the first packet comes that is to be cut: with what else a ring may need, it would be half of what a small one takes. */
  #latePlain: PlainPackets | undefined;

  /** @param codec present when the driver may leave work to its device */
  constructor(
    queue: DeviceQueue,
    copier: BurstCopier,
    headerBytes: number,
    stats: QueueStats,
    codec?: HeaderCodec,
    options: DequeueOptions = {},
  ) {
    this.#linear = options.linear ?? false;
    this.#external = options.external;
    this.#transmitMetadata = options.transmitMetadata ?? false;
    this.#queue = queue;
    this.stats = stats;
    this.#copier = copier;
    this.#header = headerBytes;
    this.#codec = codec;
    this.#chains = new DequeueChains({ queue, copier, headerBytes, stats, codec, options });
    this.#fast = this.#fastWay(queue);
  }

  get #said(): PacketOffloads {
    return (this.#lateSaid ??= new PacketOffloads(chainsPerBurst));
  }

  get #plain(): PlainPackets {
    return (this.#latePlain ??= new PlainPackets(chainsPerBurst, this.stats));
  }

  get queue(): DeviceQueue {
    return this.#queue;
  }

  /** Goes on with another view of the same ring. */
  work(queue: DeviceQueue): void {
    this.#queue = queue;
    this.#chains.work(queue);
    this.#fast = this.#fastWay(queue);
  }

  /** With offloads the header comes along, into the headroom: what is read and checked there the driver cannot change. */
  #fastWay(queue: DeviceQueue): FastPath {
    const front = this.#codec === undefined ? 0 : this.#header;
    const headerBytes = this.#header - front;
    // What comes with a header is counted once that has been read.
    const stats = this.#codec === undefined ? this.stats : undefined;
    return new FastPath({ queue, copier: this.#copier, headerBytes, writable: false, front, stats });
  }

  /**
   * Receives up to `max` packets into `burst`, in buffers of `pool` that belong to the caller then, or of the large buffers
   * (`burst.pool` says which): a burst has one pool, so packets that do not fit one buffer come in bursts of their own. What
   * their headers say is in `burst.offloads`; for a burst without, it is done. What is too short or too long, for the whole
   * pool as well, or has a header that makes no sense is dropped and counted as an error.
   * @returns how many, which is also `burst.count`
   */
  run(pool: BufferPool, burst: PacketBurst, max: number): number {
    burst.count = 0;
    burst.pool = pool;
    let wanted = max < burst.capacity ? max : burst.capacity;
    if (wanted > chainsPerBurst) wanted = chainsPerBurst;
    if (this.waits) {
      const from = this.#plain.pool;
      if (from !== undefined && from === this.#external?.pool) burst.pool = from;
      this.#plain.take(burst.pool, burst, wanted);
      return burst.count;
    }
    wanted = pool.available(wanted);
    if (wanted <= 0) return 0;
    if (this.#codec !== undefined) return this.#takeOffloaded(pool, burst, wanted, max, this.#codec);
    const n = this.#fast.take(pool, burst, wanted);
    if (n === 0 && this.#fast.blocked) this.#chains.take(pool, burst, wanted);
    if (burst.offloads !== undefined) clear(burst.offloads, burst.count);
    return burst.count;
  }

  /**
   * A burst of one packet that this side has made, as if the driver had sent it. One that fits no buffers of this pool is dropped.
   * @returns false: it is to come again, because there are no buffers right now
   */
  inject(pool: BufferPool, burst: PacketBurst, frame: Uint8Array): boolean {
    const pieces = Math.ceil(frame.length / pool.dataRoom);
    const chained = !this.#linear && this.#external === undefined;
    if (pieces > pool.count || (pieces > 1 && !chained)) {
      burst.count = 0;
      burst.pool = pool;
      this.stats.countErrors(1, 'no_room');
      return true;
    }
    if (!injectPacket(pool, burst, frame)) return false;
    if (burst.offloads !== undefined) clear(burst.offloads, 1);
    this.stats.countBurst(pool.region.u8, burst, 0, 1);
    return true;
  }

  /** True when packets that were taken off the ring wait here to be cut. */
  get waits(): boolean {
    return this.#latePlain?.waits ?? false;
  }

  /** Takes, counts and forgets what there is, as a disabled ring does. */
  drain(): void {
    this.#chains.drain();
  }

  /** Gives back what waits to be cut: the ring stops. */
  dispose(): void {
    this.#latePlain?.dispose();
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
    const n = roomy ? this.#fast.take(pool, burst, wanted) : 0;
    if (n > 0) this.#readHeaders(pool, burst, said, codec);
    else if (!roomy || this.#fast.blocked) this.#chains.take(pool, burst, wanted, said);
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
    this.#chains.take(pool, burst, wanted, this.#codec === undefined ? undefined : this.#said);
    burst.count = 0;
  }

  /** With a holder: what waits to be cut goes first. @returns how many, which is also `burst.count`; 0: none waits */
  takeWaiting(burst: PacketBurst, max: number): number {
    const pool = this.#latePlain?.pool;
    burst.count = 0;
    if (pool === undefined) return 0;
    burst.pool = pool;
    this.#plain.take(pool, burst, max < burst.capacity ? max : burst.capacity);
    return burst.count;
  }

  /**
   * With a holder: ends what packets of it came for, once their bytes are there.
   * @param said undefined: nothing is said of any of them
   * @returns how many, which is also `burst.count`
   */
  finish(burst: PacketBurst, said: PacketOffloads | undefined, max: number): number {
    if (burst.count > 0 && burst.pool !== undefined)
      this.stats.countBurst(burst.pool.region.u8, burst, 0, burst.count);
    return said === undefined ? burst.count : this.#say(burst, said, max);
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
}

function clear({ flags, gsoType }: PacketOffloads, count: number): void {
  flags.fill(0, 0, count);
  gsoType.fill(0, 0, count);
}
