import { callApplication } from '@vio/native/internal';
import type { BufferPool, DriverQueue, QueueFault } from '@vio/rings';
import type { BurstTap } from '../frames/burst-tap.ts';
import { TxGate } from '../frames/gate.ts';
import type { HeaderBytes } from '../header.ts';
import type { PacketBurst } from '../packet-burst.ts';
import type { HeaderCodec } from '../offload/header-codec.ts';
import { prepareOffloads } from '../offload/prepare.ts';
import { QueueStats } from '../stats.ts';
import { BurstKernel } from './burst-kernel.ts';
import { PortSwitches, type QueueSwitch } from './port-switches.ts';
import type { NetQueueOptions, Notifier } from './queue-options.ts';
import { TxTwin } from './tx-twin.ts';

/** Of `PortSwitches.words`; a constant of this module, because V8 folds those and not imported ones. */
const VERSION = 0;

/** A transmit queue: packets go out of the pool, onto the ring, and back to the pool once the device has read them. */
export class TxQueue {
  /** Where the packets' buffers belong. */
  readonly pool: BufferPool;
  /** The queue's counters. */
  readonly stats: QueueStats;
  readonly #header: HeaderBytes;
  readonly #kick: Notifier;
  readonly #onBroken: (fault: QueueFault) => void;
  readonly #codec: HeaderCodec | undefined;
  #queue: DriverQueue;
  readonly #native: boolean;
  #kernel: BurstKernel | undefined;
  /** What does the same in TypeScript, and knows of the ring's chains for both. */
  #twin: TxTwin;
  /** The device is away. */
  #paused = false;
  /** The device does not read this queue. */
  #held = false;
  /** True when even a packet of one segment takes a chain: the header has a descriptor of its own. */
  readonly #separateHeader: boolean;
  /** Packets have one buffer each, and their headers say nothing. */
  readonly #simple: boolean;
  readonly #switch: QueueSwitch;
  readonly #switches: Int32Array;
  /** As the switches were when they were looked at last. */
  #version = -1;
  #stopped = false;
  readonly #taps = new Set<BurstTap>();
  /** Undefined, and free of cost, while nothing is to be done with the packets. */
  #gate: TxGate | undefined;
  #reported = false;

  /** @internal Ports have them. */
  constructor(options: NetQueueOptions & { readonly separateHeader?: boolean; readonly simple?: boolean }) {
    this.#queue = options.queue;
    this.stats = new QueueStats(options.groupCounters);
    this.pool = options.pool;
    this.#header = options.headerBytes;
    this.#kick = options.kick;
    this.#onBroken = options.onBroken;
    this.#separateHeader = options.separateHeader ?? false;
    this.#simple = options.simple ?? false;
    this.#codec = options.codec;
    this.#native = options.native ?? false;
    this.#kernel = this.#kernelOf(options.queue);
    this.#twin = this.#twinOf(options.queue);
    this.#switch = options.switch ?? { port: PortSwitches.create(options.rules ?? {}, 1), queue: 1 };
    this.#switches = this.#switch.port.words;
    this.#lookAtSwitches();
    this.pool.onShortage(() => this.reap());
  }

  /** The virtqueue; another one after a restart. */
  get queue(): DriverQueue {
    return this.#queue;
  }

  /** True while the device does not use this queue: nothing can be sent. */
  get held(): boolean {
    return this.#held;
  }

  /** True while the queue, or the whole port, is stopped: nothing is sent. What is on the ring goes out. */
  get stopped(): boolean {
    if (this.#switches[VERSION] !== this.#version) this.#lookAtSwitches();
    return this.#stopped;
  }

  /** Buffers that a packet can have at most: the whole ring holds no more. One on the simple path. */
  get longest(): number {
    return this.#twin.longest;
  }

  /** Kicks sent to the device. */
  get kicks(): number {
    return this.stats.get('kicks');
  }

  /** Packets that were on the ring when the device went away: whether it had read them is not known. */
  get lost(): number {
    return this.stats.get('lost_packets');
  }

  /**
   * Sends packets `from` to `burst.count - 1`, in order. Those taken belong to the queue, which gives their buffers
   * back to the pool when the device is done with them; the rest stays the caller's (the ring is full: try again). A
   * packet over the port's MTU, or of more buffers than `longest`, is taken, dropped and counted.
   * @returns how many were taken
   */
  send(burst: PacketBurst, from = 0): number {
    if (this.#switches[VERSION] !== this.#version) this.#lookAtSwitches();
    return this.#gate === undefined ? this.#send(burst, from) : this.#sendThrough(this.#gate, burst, from);
  }

  /**
   * Shows every packet from now on to a tap, as it is on the ring. @returns shows it no more
   * @internal For `capture`.
   */
  watch(tap: BurstTap): () => void {
    this.#taps.add(tap);
    this.#renewGate();
    return () => {
      this.#taps.delete(tap);
      this.#renewGate();
    };
  }

  /** Something was switched: what is done to frames, whether the queue runs. */
  #lookAtSwitches(): void {
    const { port, queue } = this.#switch;
    this.#version = port.version;
    this.#stopped = port.isStopped(queue);
    this.#renewGate();
  }

  #renewGate(): void {
    const gate = new TxGate(this.#switch.port.rules, this.#taps, this.#header);
    this.#gate = gate.idle ? undefined : gate;
  }

  get #silent(): boolean {
    return this.#paused || this.#held || this.#stopped;
  }

  #kernelOf(queue: DriverQueue): BurstKernel | undefined {
    if (!this.#native) return undefined;
    const { pool, stats } = this;
    const headerBytes = this.#header;
    const simple = this.#simple;
    const codec = this.#codec;
    return BurstKernel.create({ queue, pool, stats, headerBytes, mergeable: false, simple, codec });
  }

  #twinOf(queue: DriverQueue): TxTwin {
    return new TxTwin({
      queue,
      pool: this.pool,
      stats: this.stats,
      headerBytes: this.#header,
      codec: this.#codec,
      separateHeader: this.#separateHeader,
      simple: this.#simple,
    });
  }

  #send(burst: PacketBurst, from: number): number {
    const wanted = burst.count - from;
    if (wanted <= 0 || this.#silent) return 0;
    const kernel = this.#kernel;
    if (kernel === undefined || this.#queue.broken !== undefined) return this.#sendByTwin(burst, from);
    const twin = this.#twin;
    twin.chains = kernel.send(burst, from, burst.count, twin.chains);
    const taken = kernel.packets;
    if (kernel.kick) this.#signal();
    if (kernel.blocked) return taken + this.#sendByTwin(burst, from + taken);
    if (taken < wanted) this.stats.countFullRing();
    return taken;
  }

  #sendByTwin(burst: PacketBurst, from: number): number {
    const wanted = burst.count - from;
    // With indirect tables a ring that is far from full can hold every buffer of the pool, and receiving starves.
    if (this.#queue.free < wanted || this.#twin.chains > 0) this.reap();
    if (this.#queue.broken !== undefined) return 0;
    const taken = this.#twin.add(burst, from);
    if (taken < wanted) this.stats.countFullRing();
    if (taken > 0 && this.#queue.kickNeeded()) this.#signal();
    return taken;
  }

  #signal(): void {
    this.stats.countKick();
    this.#kick.signal();
  }

  /** As `#send`, in runs of packets that may go out. */
  #sendThrough(gate: TxGate, burst: PacketBurst, from: number): number {
    const end = burst.count;
    burst.pool ??= this.pool;
    let at = from;
    while (at < end && !this.#silent && this.#queue.broken === undefined) {
      const admitted = gate.admit(this.pool, burst, at, end);
      let stop = at;
      while (stop < admitted && burst.segments[stop] <= this.longest) stop++;
      burst.count = stop;
      const taken = this.#send(burst, at);
      burst.count = end;
      // The buffers are ours until they are reaped, so they can still be looked at.
      gate.sent(burst, at, at + taken);
      at += taken;
      if (at < stop) break;
      if (stop < admitted) this.#twin.dropTooLong(burst, at++);
      else if (stop < end) gate.refuse(burst, at++, this.stats);
    }
    return at - from;
  }

  /**
   * Readies packets that leave their checksum or segmentation to the device; call it before `send`.
   * @returns index of the first packet from `from` on that cannot be readied, or `burst.count`
   */
  prepare(burst: PacketBurst, from = 0): number {
    return prepareOffloads(this.pool, burst, from);
  }

  /** Gives the buffers of all packets the device has read back to the pool; `send` does it when it needs room. */
  reap(): void {
    if (this.#paused) return;
    this.#reapByKernel();
    this.#twin.reap();
    if (this.#queue.broken !== undefined) this.#report(this.#queue.broken);
  }

  #reapByKernel(): void {
    if (this.#kernel !== undefined && this.#queue.broken === undefined)
      this.#twin.chains = this.#kernel.reap(this.#twin.chains);
  }

  /** While the device is away: what it has read comes back, and nothing more is sent. */
  pause(): void {
    this.reap();
    this.#paused = true;
  }

  /** The device is back, and goes on with the ring as it is. */
  resume(): void {
    this.#paused = false;
  }

  /** Nothing more is sent until `release`; what the device has read comes back. */
  hold(): void {
    this.#held = true;
  }

  /** Ends `hold`: packets may be sent again. */
  release(): void {
    this.#held = false;
  }

  /** After the device was stopped: takes back every packet it held. @returns how many */
  reclaim(): number {
    return this.#twin.reclaim();
  }

  /** Goes on with a fresh virtqueue in place of the old one. Packets still on that are given up, not sent twice. */
  restart(queue: DriverQueue): void {
    this.stats.countLost(this.reclaim());
    this.#queue = queue;
    this.#kernel = this.#kernelOf(queue);
    this.#twin = this.#twinOf(queue);
    this.#reported = false;
    this.#paused = false;
  }

  #report(fault: QueueFault): void {
    if (this.#reported) return;
    this.#reported = true;
    callApplication(() => this.#onBroken(fault));
  }
}
