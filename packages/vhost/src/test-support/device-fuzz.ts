import { PacketBurst, QueueStats } from '@vio/net';
import { VioError } from '@vio/native';
import type { BufferPool, DeviceQueue } from '@vio/rings';
import { Random } from '@vio/rings/testing';
import { DequeuePath } from '../backend/packets/dequeue.ts';
import { EnqueuePath } from '../backend/packets/enqueue.ts';
import {
  allocatePackets,
  codecOf,
  dataRoom,
  journalBytes,
  openRing,
  overlap,
  packetMemory,
  packetPool,
  poolCount,
  poolDamage,
  thrown,
} from './fuzzed-ring.ts';
import { HostileDriver, type Setup, randomSetup } from './hostile-driver.ts';
import { HostileMemory } from './hostile-memory.ts';
import { WatchedLog } from './watched-log.ts';

const stepsPerSetup = 60;
const mostFindings = 5;

/** What the fuzzer found, and what it went through. */
export interface Fuzzed {
  /** Each with the state it happened in; empty: nothing is wrong. */
  readonly findings: readonly string[];
  readonly states: number;
  /** Packets taken from the driver, and given to it. */
  readonly received: number;
  readonly sent: number;
  /** Broken queues, by the code of their fault. */
  readonly broken: Readonly<Record<string, number>>;
  /** States in which both differed because memory of the driver overlapped. */
  readonly overlaps: number;
}

/** One step of a data path: packets to send, or how many to take; or 'drain'. */
type Step =
  | { readonly packets: readonly number[]; readonly said: readonly number[] }
  | { readonly take: number }
  | 'drain';

/**
 * Lets hostile drivers play with the data paths of the backend, native and portable beside each other: nothing may throw,
 * be written beside the driver's windows or the pool's buffers, stall or keep a buffer; packets must be what their
 * descriptors say; and both must do the same, as long as buffers, ring and tables are apart (see `createSingles`).
 * @param states how often a driver acts, and a device after it
 */
export function fuzzDevice(states: number, seed: number): Fuzzed {
  const random = new Random(seed);
  const sides = [new Side(true), new Side(false)];
  const memories = sides.map(({ memory }) => memory);
  const findings: string[] = [];
  const broken: Record<string, number> = {};
  let done = 0;
  let overlaps = 0;
  while (done < states && findings.length < mostFindings) {
    const setup = randomSetup(random);
    const driver = new HostileDriver(random, memories, setup);
    driver.begin();
    if (!sides.map((side) => side.start(setup, true)).every(Boolean)) continue;
    for (let step = 0; step < stepsPerSetup && done < states; step++, done++) {
      driver.act(sides[0].queue);
      const before = memories[0].ring.slice();
      const what = randomStep(random, setup.receives);
      const digests = sides.map((side) => side.run(what));
      const wrong = sides.map((side) => side.wrong()).find((each) => each !== undefined);
      if (wrong !== undefined) findings.push(`state ${done}: ${wrong} ${JSON.stringify(setup)}`);
      const differ = digests[0] !== digests[1] || Buffer.compare(memories[0].ring, memories[1].ring) !== 0;
      // The driver broke its side: the order of writes decides, and is not the same. Nothing else may go wrong even then.
      if (differ && (setup.overlapping || overlap(before, setup))) overlaps++;
      else if (differ) {
        findings.push(`state ${done}: native ${digests[0]}, portable ${digests[1]} ${JSON.stringify(setup)}`);
      }
      if (differ || wrong !== undefined) break;
      // Buffers may overlap each other: whose bytes they hold depends on the order of copies.
      sides[1].follow(sides[0]);
      const { fault } = sides[0];
      if (fault !== undefined) {
        broken[fault] = (broken[fault] ?? 0) + 1;
        break;
      }
      const kicks = random.below(5);
      if (kicks === 0) for (const side of sides) side.ask(true);
      if (kicks === 1) for (const side of sides) side.ask(false);
      const logs = random.chance(0.5);
      if (setup.logged && random.chance(0.1)) for (const side of sides) side.setLog(logs);
      if (
        setup.tracked &&
        random.chance(0.05) &&
        !sides.map((side) => side.start(setup, false)).every(Boolean)
      )
        break;
    }
  }
  const [{ received, sent }] = sides;
  return { findings, states: done, received, sent, broken, overlaps };
}

function randomStep(random: Random, receives: boolean): Step {
  if (!receives) return random.below(20) === 0 ? 'drain' : { take: 1 + random.below(64) };
  const packets = Array.from({ length: 1 + random.below(40) }, () => {
    const segments = random.chance(0.1) ? 1 + random.below(3) : 1;
    return segments === 1
      ? 1 + random.below(dataRoom)
      : dataRoom + 1 + random.below(dataRoom * (segments - 1));
  });
  // What is left to the driver: flags, segmentation, segment size, where the checksum is.
  const said = Array.from({ length: 5 }, () =>
    random.pick([0, 0, 0, 1, 2, 3, 4, 5, 34, 100, 0x81, 1448, 0xffff]),
  );
  return { packets, said };
}

/** One data path over memory of its own, with a pool of its own. */
class Side {
  readonly memory: HostileMemory;
  received = 0;
  sent = 0;
  readonly #pool: BufferPool;
  readonly #burst = new PacketBurst(64, { offloads: true });
  readonly #journal = new ArrayBuffer(journalBytes);
  readonly #log: WatchedLog;
  /** The queue without a log, and with one. */
  #queues: readonly DeviceQueue[] = [];
  #path: EnqueuePath | DequeuePath | undefined;
  #wrong: string | undefined;

  constructor(native: boolean) {
    this.memory = new HostileMemory(native);
    this.#log = new WatchedLog(this.memory);
    this.#pool = packetPool(packetMemory());
  }

  get queue(): DeviceQueue {
    if (this.#path === undefined) throw new TypeError('start it first');
    return this.#path.queue;
  }

  get fault(): string | undefined {
    return this.queue.broken?.code;
  }

  /** Builds the data path, on the notes of its predecessor or on none. @returns false when it is refused */
  start(setup: Setup, afresh: boolean): boolean {
    if (afresh) new Uint8Array(this.#journal).fill(0);
    const { map, copier } = this.memory;
    try {
      const { bare, options } = openRing(this.memory, setup, this.#journal);
      this.#queues = setup.logged ? [bare, this.#log.around(bare, options)] : [bare];
      const queue = this.#queues[this.#queues.length - 1];
      const { header, mergeable } = setup;
      const codec = codecOf(setup);
      this.#path = setup.receives
        ? new EnqueuePath(queue, copier, map, header, mergeable, new QueueStats(), codec)
        : new DequeuePath(queue, copier, header, new QueueStats(), codec);
      return true;
    } catch (error) {
      if (!VioError.is(error)) this.#wrong = thrown(error);
      return false;
    }
  }

  /** Begins to mark what is written, or ends it. */
  setLog(on: boolean): void {
    this.#path?.work(this.#queues[on ? 1 : 0]);
  }

  /** Asks the driver for kicks, or for silence. */
  ask(kicks: boolean): void {
    if (this.queue.log !== undefined) this.#log.begin();
    if (kicks) this.queue.armKick();
    else this.queue.disarmKick();
    this.#checkLog();
  }

  /** @returns all that can be told of the step */
  run(step: Step): string {
    if (this.queue.log !== undefined) this.#log.begin();
    const told = this.#run(step);
    this.#checkLog();
    return told;
  }

  #checkLog(): void {
    if (this.queue.log !== undefined) this.#wrong ??= this.#log.missed();
  }

  #run(step: Step): string {
    const path = this.#path;
    if (path === undefined) throw new TypeError('start it first');
    const burst = this.#burst;
    const at = path.queue.base();
    let n = 0;
    try {
      if (path instanceof EnqueuePath) n = this.#send(path, step);
      else if (step === 'drain') path.drain();
      else n = this.#receive(path, step, at);
      path.queue.callNeeded();
    } catch (error) {
      this.#wrong ??= thrown(error);
    }
    const { count } = burst;
    const { queue, stats } = path;
    const packets = [burst.length.subarray(0, count).join(' '), burst.segments.subarray(0, count).join(' ')];
    const counts = [stats.get('errors'), stats.get('good_packets'), queue.broken?.code, queue.base()];
    burst.release();
    burst.count = 0;
    if (this.#pool.free !== poolCount) this.#wrong ??= `${this.#pool.free} of ${poolCount} buffers are left`;
    return [n, ...packets, ...counts].join();
  }

  /** What was wrong with the last step; undefined: nothing. */
  wrong(): string | undefined {
    const damage = this.memory.damage();
    if (damage !== undefined) this.#wrong ??= `the memory beside the windows was written, ${damage}`;
    return (this.#wrong ??= poolDamage(this.#pool));
  }

  /** Has the memory of another one from now on. */
  follow(other: Side): void {
    this.memory.u8.set(other.memory.u8);
    this.#pool.region.u8.set(other.#pool.region.u8);
  }

  #send(path: EnqueuePath, step: Step): number {
    const burst = this.#burst;
    const pool = this.#pool;
    allocatePackets(pool, burst, step !== 'drain' && 'packets' in step ? step.packets : []);
    if (step !== 'drain' && 'said' in step && burst.offloads !== undefined) {
      const { flags, gsoType, segmentSize, checksumStart, checksumOffset } = burst.offloads;
      const [first, type, size, start, offset] = step.said;
      for (let i = 0; i < burst.count; i++) {
        const says = i % 3 !== 0;
        flags[i] = says ? first : 0;
        gsoType[i] = says ? type : 0;
        segmentSize[i] = size;
        checksumStart[i] = start;
        checksumOffset[i] = offset;
      }
    }
    const n = path.run(pool, burst, 0, burst.count);
    if (n < 0 || n > burst.count) this.#wrong ??= `${n} of ${burst.count} packets were sent`;
    this.sent += n;
    return n;
  }

  #receive(path: DequeuePath, step: Step, at: number): number {
    const burst = this.#burst;
    const max = step !== 'drain' && 'take' in step ? step.take : 0;
    const n = path.run(this.#pool, burst, max);
    if (n !== burst.count || n > max) this.#wrong ??= `${n} packets of ${max}, the burst has ${burst.count}`;
    for (let i = 0; i < n; i++) this.#check(i);
    const { queue } = path;
    // All buffers were free: whatever was first in line is gone now.
    if (n === 0 && queue.broken === undefined && queue.base() === at && queue.pending() > 0) {
      this.#wrong ??= 'it moves nothing, although something is there';
    }
    this.received += n;
    return n;
  }

  #check(i: number): void {
    const { length, offset, segments, buffer } = this.#burst;
    const pool = this.#pool;
    let bytes = 0;
    let count = 0;
    if (segments[i] === 1) {
      count = 1;
      bytes = length[i];
      if (bytes > dataRoom || offset[i] !== pool.dataBase + buffer[i] * pool.stride) {
        this.#wrong ??= `${bytes} bytes at ${offset[i]} are not in buffer ${buffer[i]}`;
      }
    } else {
      for (let b = buffer[i]; b !== -1 && count <= poolCount; b = pool.next[b]) {
        bytes += pool.dataLength[b];
        count++;
      }
    }
    if (length[i] < 1 || length[i] > 65_535 || bytes !== length[i] || count !== segments[i]) {
      this.#wrong ??= `a packet of ${length[i]} bytes and ${segments[i]} segments has ${bytes} and ${count}`;
    }
  }
}
