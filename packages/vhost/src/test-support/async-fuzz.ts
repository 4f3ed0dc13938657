import { PacketBurst, QueueStats, offloadFeatureBits } from '@vio/net';
import { HeaderCodec } from '@vio/net/internal';
import { VioError } from '@vio/native';
import {
  BufferPool,
  type DeviceQueue,
  Region,
  createDeviceQueue,
  createTrackedDeviceQueue,
  poolStride,
} from '@vio/rings';
import { Random } from '@vio/rings/testing';
import { AsyncQueue } from '../backend/async/async-queue.ts';
import { configuredDma, dmaConfigure, dmaUnconfigure } from '../backend/async/dma-configure.ts';
import type { DmaEngine } from '../backend/async/dma-engine.ts';
import { DequeuePath } from '../backend/packets/dequeue.ts';
import { EnqueuePath } from '../backend/packets/enqueue.ts';
import { StubEngine } from '../testing/stub-engine.ts';
import { overlap } from './device-fuzz.ts';
import { HostileDriver, type Setup, randomSetup } from './hostile-driver.ts';
import { HostileMemory, ringParts, ringWindow } from './hostile-memory.ts';
import { WatchedLog } from './watched-log.ts';

const dataRoom = 512;
const headroom = 64;
const poolCount = 64;
/** Bytes in front of the pool, which nobody may write. */
const front = 4096;
const cleanFront = new Uint8Array(front).fill(0xc3);
const stepsPerSetup = 40;
const mostFindings = 5;
const faults = ['twice', 'unknown', 'order', 'taken', 'completed', 'transfer', 'check', 'quiesce'] as const;

/** What the fuzzer found, and what it went through. */
export interface FuzzedAsync {
  readonly findings: readonly string[];
  readonly states: number;
  /** Packets that were reported, of both directions. */
  readonly sent: number;
  readonly received: number;
  /** Engines that were found out. */
  readonly faults: number;
  /** States in which both ways were compared. */
  readonly compared: number;
}

/**
 * Lets hostile drivers play with asynchronous channels, over engines that delay, complete out of step, fail and misbehave: nothing
 * may throw or be written where it may not, and every packet comes back once. Where a step is copied to its end it does what
 * the data path without an engine does, over the same states.
 * @param threads engines that are real, by turns with stubs
 */
export function fuzzAsync(states: number, seed: number, threads: readonly DmaEngine[]): FuzzedAsync {
  const random = new Random(seed);
  const findings: string[] = [];
  const rooms = [new Room(), new Room()];
  const seen = { sent: 0, received: 0, faults: 0, compared: 0 };
  for (const thread of threads) dmaConfigure(thread, { onFault: (fault) => findings.push(fault.message) });
  let done = 0;
  while (done < states && findings.length < mostFindings) {
    const setup = randomSetup(random);
    const real = random.chance(0.4);
    const engine = real ? random.pick(threads) : new StubEngine(randomStub(random));
    if (!real) dmaConfigure(engine, { descriptors: 64, onFault: () => seen.faults++ });
    // Buffers that overlap are copied in another order, and a stub that misbehaves only later.
    const compares = !setup.overlapping && random.chance(0.5);
    const sides = [new AsyncSide(rooms[0], engine, setup), new PlainSide(rooms[1], setup)] as const;
    const memories = sides.map(({ memory }) => memory);
    const driver = new HostileDriver(random, memories, setup);
    driver.begin();
    if (sides.map((side) => side.start()).every(Boolean)) {
      for (let step = 0; step < stepsPerSetup && done < states; step++, done++) {
        driver.act(sides[0].queue);
        if (engine instanceof StubEngine) shake(engine, random);
        const [one, other] = sides;
        const lengths = Array.from({ length: 1 + random.below(20) }, () => randomLength(random));
        const before = memories[1].ring.slice();
        let differ: string | undefined;
        if (compares) {
          const [a, b] = [one.whole(lengths), other.whole(lengths)];
          // What is in flight takes room in the ring, and is not completed where it broke: only honest drivers see no difference.
          const broke = sides.some(({ queue }) => queue.broken !== undefined);
          if (a !== b && !broke) differ = `asynchronous ${a}, plain ${b}`;
          else if (
            !broke &&
            !(setup.features.inOrder && !setup.receives) &&
            Buffer.compare(memories[0].ring, memories[1].ring) !== 0
          )
            differ = 'the rings differ';
          seen.compared++;
          memories[1].u8.set(memories[0].u8);
        } else one.act(random, lengths);
        const wrong = one.wrong() ?? (differ !== undefined && overlap(before, setup) ? undefined : differ);
        if (wrong !== undefined) findings.push(`state ${done}: ${wrong} ${JSON.stringify(setup)}`);
        if (
          wrong !== undefined ||
          differ !== undefined ||
          sides.some(({ queue }) => queue.broken !== undefined)
        )
          break;
      }
      sides[0].end();
      const wrong = sides[0].wrong();
      if (wrong !== undefined) findings.push(`state ${done}, at the end: ${wrong} ${JSON.stringify(setup)}`);
    } else sides[0].end();
    seen.sent += sides[0].sent;
    seen.received += sides[0].received;
    if (!real) dmaUnconfigure(engine);
    done++;
  }
  for (const thread of threads) dmaUnconfigure(thread);
  return { findings, states: done, ...seen };
}

function randomStub(random: Random): ConstructorParameters<typeof StubEngine>[0] {
  return {
    looks: random.pick([1, 1, 2, 3, Infinity]),
    room: random.pick([Infinity, Infinity, 0, 1, 7]),
    step: random.pick([Infinity, 1, 3]),
    reversed: random.chance(0.2),
    failEach: random.pick([Infinity, 1, 3]),
    fault: random.chance(0.1) ? random.pick(faults) : undefined,
  };
}

/** An engine that changes its ways. */
function shake({ options }: StubEngine, random: Random): void {
  if (random.chance(0.1)) options.looks = random.pick([1, 2, Infinity]);
  if (random.chance(0.01)) options.fault = random.pick(faults);
}

function randomLength(random: Random): number {
  return random.chance(0.9) ? 1 + random.below(dataRoom) : dataRoom + 1 + random.below(2 * dataRoom);
}

/** What costs time to make: memory of a driver, a log of it, memory for packets. */
class Room {
  readonly memory = new HostileMemory(false);
  readonly watched = new WatchedLog(this.memory);
  readonly region = new Region(new ArrayBuffer(front + poolCount * poolStride(dataRoom, headroom)));
  readonly journal = new ArrayBuffer(65_536);
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

  constructor({ memory, watched, region, journal }: Room, setup: Setup) {
    this.setup = setup;
    this.memory = memory;
    this.watched = watched;
    this.#journal = journal;
    new Uint8Array(journal).fill(0);
    region.u8.set(cleanFront);
    this.pool = new BufferPool({ region, offset: front, count: poolCount, dataRoom, headroom });
  }

  abstract get queue(): DeviceQueue;
  protected abstract open(queue: DeviceQueue): void;
  protected abstract send(): number;
  /** Takes what it can get at once into `burst`. */
  protected abstract receive(): void;

  protected get codec(): HeaderCodec | undefined {
    const { offloads, receives } = this.setup;
    if (!offloads) return undefined;
    return receives ? HeaderCodec.received(offloadFeatureBits) : HeaderCodec.sent(offloadFeatureBits);
  }

  /** @returns false when the ring makes no sense */
  start(base = this.setup.base): boolean {
    const { size, features, direction, tracked, logged } = this.setup;
    const at = (offset: number) => ({ window: ringWindow, offset });
    const { descriptors, driver, device } = ringParts;
    const addresses = { descriptors: at(descriptors), driver: at(driver), device: at(device) };
    const options = {
      memory: this.memory.map,
      addresses,
      size,
      features,
      base,
      indirectDirection: direction,
    };
    try {
      const bare = tracked
        ? createTrackedDeviceQueue(options, { buffer: this.#journal, offset: 0 })
        : createDeviceQueue(options);
      this.queues = logged ? [this.watched.around(bare, options), bare] : [bare];
      this.open(this.queues[0]);
      return true;
    } catch (error) {
      if (!VioError.is(error)) this.wrongs = `it threw ${String(error)}`;
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
      this.wrongs ??= `it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
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
    if (Buffer.compare(this.pool.region.u8.subarray(0, front), cleanFront) !== 0)
      this.wrongs ??= 'the memory in front of the pool was written';
    return this.wrongs;
  }

  /** Packets to send, of these lengths, as far as there are buffers. */
  protected fill(lengths: readonly number[]): void {
    const { burst, pool } = this;
    burst.count = 0;
    burst.pool = pool;
    for (const length of lengths) {
      const held = new Int32Array(Math.ceil(length / dataRoom));
      if (pool.free < held.length) break;
      pool.alloc(held, 0, held.length);
      for (const [k, b] of held.entries()) {
        pool.dataOffset[b] = pool.dataBase + b * pool.stride;
        pool.dataLength[b] = Math.min(dataRoom, length - k * dataRoom);
        pool.next[b] = held[k + 1] ?? -1;
        pool.region.u8.fill(length & 0xff, pool.dataOffset[b], pool.dataOffset[b] + pool.dataLength[b]);
      }
      const i = burst.count++;
      burst.buffer[i] = held[0];
      burst.offset[i] = pool.dataOffset[held[0]];
      burst.length[i] = length;
      burst.segments[i] = held.length;
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

class PlainSide extends Side {
  #path: EnqueuePath | DequeuePath | undefined;

  get queue(): DeviceQueue {
    if (this.#path === undefined) throw new TypeError('start it first');
    return this.#path.queue;
  }

  protected open(queue: DeviceQueue): void {
    const { map, copier } = this.memory;
    const { receives, header, mergeable } = this.setup;
    this.#path = receives
      ? new EnqueuePath(queue, copier, map, header, mergeable, this.stats, this.codec)
      : new DequeuePath(queue, copier, header, this.stats, this.codec);
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

class AsyncSide extends Side {
  sent = 0;
  received = 0;
  readonly #channel: AsyncQueue;
  readonly #back = new PacketBurst(64, { offloads: true });
  /** Heads of packets that are in flight, and their lengths. */
  readonly #out = new Map<number, number>();
  #queue: DeviceQueue | undefined;

  constructor(room: Room, engine: DmaEngine, setup: Setup) {
    super(room, setup);
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
    const { codec, stats } = this;
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
      this.wrongs ??= `it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
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
