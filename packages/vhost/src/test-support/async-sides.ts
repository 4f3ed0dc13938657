// A hostile driver's ring and a pool, served by an asynchronous channel or by the data path without one.
import { PacketBurst, QueueStats } from '@vio/net';
import { VioError } from '@vio/native';
import type { BufferPool, DeviceQueue } from '@vio/rings';
import type { Random } from '@vio/rings/testing';
import { AsyncQueue } from '../backend/async/async-queue.ts';
import { configuredDma } from '../backend/async/dma-configure.ts';
import type { DmaEngine } from '../backend/async/dma-engine.ts';
import { DequeuePath } from '../backend/packets/dequeue.ts';
import { EnqueuePath } from '../backend/packets/enqueue.ts';
import { StubEngine } from '../testing/stub-engine.ts';
import {
  allocatePackets,
  codecOf,
  journalBytes,
  openRing,
  packetMemory,
  packetPool,
  poolCount,
  poolDamage,
  thrown,
} from './fuzzed-ring.ts';
import type { Setup } from './hostile-driver.ts';
import { HostileMemory } from './hostile-memory.ts';
import { WatchedLog } from './watched-log.ts';

/** What costs time to make: memory of a driver, a log of it, memory for packets. */
export class SideMemory {
  readonly memory: HostileMemory;
  readonly watched: WatchedLog;
  readonly region = packetMemory();
  readonly journal = new ArrayBuffer(journalBytes);

  /** @param native kernels in C++ work in it, where there are any */
  constructor(native: boolean) {
    this.memory = new HostileMemory(native);
    this.watched = new WatchedLog(this.memory);
  }
}

/** A ring of a hostile driver, and a pool. */
abstract class Side {
  readonly memory: HostileMemory;
  readonly setup: Setup;
  readonly stats = new QueueStats();
  protected readonly pool: BufferPool;
  protected readonly burst = new PacketBurst(64, { offloads: true });
  protected wrongs: string | undefined;
  protected queues: readonly DeviceQueue[] = [];
  protected readonly watched: WatchedLog;
  readonly #journal: ArrayBuffer;

  constructor({ memory, watched, region, journal }: SideMemory, setup: Setup) {
    this.setup = setup;
    this.memory = memory;
    this.watched = watched;
    this.#journal = journal;
    new Uint8Array(journal).fill(0);
    this.pool = packetPool(region);
  }

  abstract get queue(): DeviceQueue;
  protected abstract open(queue: DeviceQueue): void;
  protected abstract send(): number;
  /** Takes what it can get at once into `burst`. */
  protected abstract receive(): void;

  /** @returns false when the ring makes no sense */
  start(base = this.setup.base): boolean {
    const { logged } = this.setup;
    try {
      const { bare, options } = openRing(this.memory, this.setup, this.#journal, base);
      this.queues = logged ? [this.watched.around(bare, options), bare] : [bare];
      this.open(this.queues[0]);
      return true;
    } catch (error) {
      if (!VioError.is(error)) this.wrongs = thrown(error);
      return false;
    }
  }

  /** A step that is done when this returns. @returns all that can be told of it */
  whole(lengths: readonly number[]): string {
    const told: unknown[] = [];
    const logs = this.queue.log !== undefined;
    if (logs) this.watched.begin();
    try {
      if (this.setup.receives) {
        this.fill(lengths);
        told.push(this.send());
      } else {
        for (let round = 0, before = -1; round < 60; round++) {
          this.receive();
          for (let i = 0; i < this.burst.count; i++) told.push(this.#content(i));
          const { count } = this.burst;
          this.burst.release();
          if (count === 0 && this.queue.base() === before) break;
          before = this.queue.base();
        }
      }
      this.queue.callNeeded();
    } catch (error) {
      this.wrongs ??= thrown(error);
    }
    if (logs) this.wrongs ??= this.watched.missed();
    if (this.pool.free !== poolCount) this.wrongs ??= `${this.pool.free} of ${poolCount} buffers are left`;
    const { stats, queue } = this;
    return [...told, stats.get('errors'), stats.get('good_packets'), queue.broken?.code, queue.base()].join();
  }

  /** What was wrong so far. */
  wrong(): string | undefined {
    const damage = this.memory.damage();
    if (damage !== undefined) this.wrongs ??= `the memory beside the windows was written, ${damage}`;
    return (this.wrongs ??= poolDamage(this.pool));
  }

  /** Packets to send, of these lengths, as far as there are buffers. */
  protected fill(lengths: readonly number[]): void {
    const { burst, pool } = this;
    allocatePackets(pool, burst, lengths);
    for (let i = 0; i < burst.count; i++) {
      for (let b = burst.buffer[i]; b !== -1; b = pool.next[b])
        pool.region.u8.fill(
          burst.length[i] & 0xff,
          pool.dataOffset[b],
          pool.dataOffset[b] + pool.dataLength[b],
        );
      burst.offloads?.clear(i);
    }
  }

  #content(i: number): string {
    const { buffer, length, segments, offset } = this.burst;
    const { region, next, dataOffset, dataLength } = this.pool;
    const hash = (at: number, bytes: number): number =>
      region.u8.subarray(at, at + bytes).reduce((sum, byte) => (sum * 31 + byte) | 0, 7);
    const parts: number[] = [];
    if (segments[i] === 1) parts.push(hash(offset[i], length[i]));
    else for (let b = buffer[i]; b !== -1; b = next[b]) parts.push(hash(dataOffset[b], dataLength[b]));
    return `${length[i]}:${parts.join('+')}`;
  }
}

/** The data path without an engine. */
export class PlainSide extends Side {
  #path: EnqueuePath | DequeuePath | undefined;

  get queue(): DeviceQueue {
    if (this.#path === undefined) throw new TypeError('start it first');
    return this.#path.queue;
  }

  protected open(queue: DeviceQueue): void {
    const { map, copier } = this.memory;
    const { receives, header, mergeable } = this.setup;
    this.#path = receives
      ? new EnqueuePath(queue, copier, map, header, mergeable, this.stats, codecOf(this.setup))
      : new DequeuePath(queue, copier, header, this.stats, codecOf(this.setup));
  }

  protected send(): number {
    const { burst } = this;
    const n = this.#path instanceof EnqueuePath ? this.#path.run(this.pool, burst, 0, burst.count) : 0;
    burst.release();
    return n;
  }

  protected receive(): void {
    if (this.#path instanceof DequeuePath) this.#path.run(this.pool, this.burst, 32);
  }
}

/** An asynchronous channel, and its engine. */
export class AsyncSide extends Side {
  sent = 0;
  received = 0;
  readonly #channel: AsyncQueue;
  readonly #back = new PacketBurst(64, { offloads: true });
  /** Heads of packets that are in flight, and their lengths. */
  readonly #out = new Map<number, number>();
  #queue: DeviceQueue | undefined;

  constructor(memory: SideMemory, engine: DmaEngine, setup: Setup) {
    super(memory, setup);
    const promised = !(engine instanceof StubEngine) || engine.options.reversed !== true;
    this.#channel = new AsyncQueue(setup.receives ? 0 : 1, configuredDma(engine), promised);
  }

  get queue(): DeviceQueue {
    if (this.#queue === undefined) throw new TypeError('start it first');
    return this.#queue;
  }

  protected open(queue: DeviceQueue): void {
    const { map: memory, copier } = this.memory;
    const { header, mergeable } = this.setup;
    const { stats } = this;
    const codec = codecOf(this.setup);
    this.#queue = queue;
    this.#channel.start({ queue, copier, memory, header, mergeable, stats, codec, dequeue: {}, call() {} });
  }

  protected send(): number {
    const n = this.#submit();
    this.#clear();
    return n;
  }

  protected receive(): void {
    this.#channel.fetch(this.pool, this.burst, 32);
    this.#channel.clear();
    this.received += this.#channel.reportTaken(this.burst, 64);
  }

  /** Something that need not be done when this returns. */
  act(random: Random, lengths: readonly number[]): void {
    try {
      const what = random.below(10);
      if (what < 5 && this.setup.receives) {
        this.fill(lengths);
        this.#submit();
      } else if (what < 5) this.#channel.fetch(this.pool, this.burst, 1 + random.below(64));
      else if (what < 8) {
        this.#channel.poll();
        this.#report(1 + random.below(64));
      } else if (what === 8) this.#clear();
      else if (this.queues.length > 1) this.#work(random.pick(this.queues));
      else this.#restart();
    } catch (error) {
      this.wrongs ??= thrown(error);
    }
  }

  /** Everything comes back. */
  end(): void {
    this.#channel.stop();
    this.#clear();
    this.#channel.end();
  }

  #work(queue: DeviceQueue): void {
    this.#queue = queue;
    this.#channel.work(queue);
  }

  #restart(): void {
    if (this.queue.broken !== undefined) return;
    this.#channel.stop();
    this.start(this.queue.base());
  }

  #submit(): number {
    const { burst } = this;
    const n = this.#channel.submit(this.pool, burst, 0, burst.count);
    for (let i = 0; i < n; i++) {
      if (this.#out.has(burst.buffer[i])) this.wrongs ??= `buffer ${burst.buffer[i]} was in flight already`;
      this.#out.set(burst.buffer[i], burst.length[i]);
    }
    burst.release(n);
    burst.count = 0;
    return n;
  }

  #clear(): void {
    this.#channel.clear();
    for (let round = 0; this.#report(64) > 0; round++) if (round > 1000) this.wrongs ??= 'it never ends';
    if (this.#channel.inFlight !== 0) this.wrongs ??= `${this.#channel.inFlight} packets are still in flight`;
    if (this.#out.size > 0) this.wrongs ??= `${this.#out.size} packets did not come back`;
    if (this.pool.free !== poolCount) this.wrongs ??= `${this.pool.free} of ${poolCount} buffers are left`;
  }

  #report(max: number): number {
    const back = this.#back;
    if (!this.setup.receives) {
      const n = this.#channel.reportTaken(back, max);
      this.received += n;
      back.release();
      return n;
    }
    const n = this.#channel.reportSent(back, max);
    this.sent += n;
    for (let i = 0; i < n; i++) {
      if (this.#out.get(back.buffer[i]) !== back.length[i])
        this.wrongs ??= `a packet came back that was not in flight`;
      this.#out.delete(back.buffer[i]);
    }
    back.release();
    return n;
  }
}
