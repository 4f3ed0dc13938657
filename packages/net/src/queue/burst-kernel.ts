import {
  type DriverKernel,
  type KernelOffloads,
  burstsPerKernel,
  createDriverKernel,
  driverJob,
  driverJobWords,
  heldArray,
} from '@vio/native/internal';
import type { BufferPool, DriverQueue } from '@vio/rings';
import type { HeaderBytes } from '../header.ts';
import type { HeaderCodec } from '../offload/header-codec.ts';
import type { PacketOffloads } from '../offload/packet-offloads.ts';
import type { PacketBurst } from '../packet-burst.ts';
import type { QueueStats } from '../stats.ts';

/** Constants of this module, because V8 folds those and not imported ones. */
const BURST = driverJob.burst;
const FROM = driverJob.from;
const END = driverJob.end;
const CHAINS = driverJob.chains;
const FREE_THRESHOLD = driverJob.freeThreshold;
const PACKETS = driverJob.packets;
const BLOCKED = driverJob.blocked;
const KICK = driverJob.kick;

export interface BurstKernelOptions {
  readonly queue: DriverQueue;
  readonly pool: BufferPool;
  readonly stats: QueueStats;
  readonly headerBytes: HeaderBytes;
  readonly mergeable: boolean;
  /** Packets to send have one buffer, and leave nothing to the device. Default false. */
  readonly simple?: boolean;
  /** Present when offloads were negotiated in a transmit queue. */
  readonly codec: HeaderCodec | undefined;
}

/**
 * Moves the packets of one queue in C++, a burst per call: ring, headers, counters, pool and the decision to kick. It shares
 * its state with the queue and the pool, which are in TypeScript and do everything else: what a device does wrong, and what an
 * application describes that cannot be. The numbers of a run are in the job.
 */
export class BurstKernel {
  /** What came of the last run. */
  packets = 0;
  /** It stopped at something that is for TypeScript. */
  blocked = false;
  /** The device wants to be kicked for what was added. */
  kick = false;
  /** `driverJob`, for those who keep more of it than this class does. */
  readonly job = heldArray(Int32Array, driverJobWords);
  readonly #queue: DriverQueue;
  readonly #pool: BufferPool;
  readonly #kernel: DriverKernel;
  readonly #offloads: boolean;
  /** The bursts that are bound, by slot, and when each was last turned to. */
  readonly #bursts: (PacketBurst | undefined)[] = Array.from({ length: burstsPerKernel }, () => undefined);
  readonly #turned = new Float64Array(burstsPerKernel);
  #turns = 0;
  #current: PacketBurst | undefined;

  /** @returns undefined for a queue that has to write every descriptor itself: one with separate headers */
  static create(options: BurstKernelOptions): BurstKernel | undefined {
    const job = new Int32Array(driverJobWords);
    return options.queue.describe(job) === undefined ? undefined : new BurstKernel(options);
  }

  private constructor(options: BurstKernelOptions) {
    const { queue, pool, stats, headerBytes, mergeable, simple = false, codec } = options;
    const { job } = this;
    const notes = queue.describe(job);
    if (notes === undefined) throw new TypeError('a queue that no kernel can serve');
    const arrays = pool.describe(job);
    job[driverJob.header] = headerBytes;
    job[driverJob.mergeable] = mergeable ? 1 : 0;
    job[driverJob.simple] = simple ? 1 : 0;
    job[driverJob.groups] = stats.groups ? 1 : 0;
    this.#queue = queue;
    this.#pool = pool;
    this.#offloads = codec !== undefined;
    codec?.describe(job);
    const memory = pool.region.u8;
    this.#kernel = createDriverKernel({ job, memory, counters: stats.counters, ...notes, ...arrays });
  }

  /**
   * Receives into the burst, from entry 0 on, and gives the device the pool's buffers.
   * @param freeThreshold descriptors that are free before it gets any
   */
  receive(burst: PacketBurst, freeThreshold: number): void {
    const { job } = this;
    if (burst !== this.#current) this.#turnTo(burst);
    job[FREE_THRESHOLD] = freeThreshold;
    this.#lend(job);
    this.#kernel.receive();
    this.#takeBack(job);
  }

  /**
   * Sends packets `from` to `end - 1`; where there is little room, buffers that the device has read come back first.
   * @param chains packets of several segments that the device holds
   * @returns how many of those it holds then
   */
  send(burst: PacketBurst, from: number, end: number, chains: number): number {
    const { job } = this;
    if (burst !== this.#current) this.#turnTo(burst);
    job[FROM] = from;
    job[END] = end;
    job[CHAINS] = chains;
    this.#lend(job);
    this.#kernel.send();
    this.#takeBack(job);
    return job[CHAINS];
  }

  /** Takes back all buffers that the device has read. @returns as `send` */
  reap(chains: number): number {
    const { job } = this;
    job[CHAINS] = chains;
    this.#lend(job);
    this.#kernel.reap();
    this.#takeBack(job);
    return job[CHAINS];
  }

  #lend(job: Int32Array): void {
    this.#queue.lend(job);
    this.#pool.lend(job);
  }

  #takeBack(job: Int32Array): void {
    this.#queue.takeBack(job);
    this.#pool.takeBack(job);
    this.packets = job[PACKETS];
    this.blocked = job[BLOCKED] !== 0;
    this.kick = job[KICK] !== 0;
  }

  /** Makes a burst the one of the next run; one that is not bound takes the slot of that which was out of use longest. */
  #turnTo(burst: PacketBurst): void {
    let slot = this.#bursts.indexOf(burst);
    if (slot === -1) {
      slot = this.#turned.indexOf(Math.min(...this.#turned));
      const { buffer, offset, length, segments } = burst;
      const offloads =
        this.#offloads && burst.offloads !== undefined ? headerFields(burst.offloads) : undefined;
      this.#kernel.bind(slot, { buffer, offset, length, segments, offloads });
      this.#bursts[slot] = burst;
    }
    this.#turned[slot] = ++this.#turns;
    this.#current = burst;
    this.job[BURST] = slot;
  }
}

/** @returns those arrays that a header is written from */
function headerFields(offloads: PacketOffloads): KernelOffloads {
  const { flags, gsoType, headerLength, segmentSize, checksumStart, checksumOffset } = offloads;
  return { flags, gsoType, headerLength, segmentSize, checksumStart, checksumOffset };
}
