import { callApplication } from '@vio/native/internal';
import type { BufferPool, DriverQueue, QueueFault } from '@vio/rings';
import type { BurstTap } from '../frames/burst-tap.ts';
import { RxGate } from '../frames/gate.ts';
import { type HeaderBytes, hashOffset } from '../header.ts';
import { HASH_REPORT_NONE, HASH_REPORT_UDPv6_EX } from '../rss/hash-types.ts';
import { PacketBurst } from '../packet-burst.ts';
import type { HeaderCodec } from '../offload/header-codec.ts';
import { QueueStats } from '../stats.ts';
import { BurstKernel } from './burst-kernel.ts';
import { PortSwitches, type QueueSwitch } from './port-switches.ts';
import { RxRefill } from './rx-refill.ts';
import type { NetQueueOptions, Notifier } from './queue-options.ts';

export interface RxQueueOptions extends NetQueueOptions {
  /** Descriptors that are free before the device gets buffers. Default: 32, or a quarter of a smaller ring. */
  readonly freeThreshold?: number | undefined;
}

const headerWithHash = 20;
/** Of `PortSwitches.words`; a constant of this module, because V8 folds those and not imported ones. */
const VERSION = 0;
/** Packets that are dropped at a time when a queue starts again. */
const flushBurst = 64;
const mostHashReport = HASH_REPORT_UDPv6_EX;

/**
 * A receive queue. Subclasses turn what the ring gives back into packets; which one is used is decided when the
 * features are known.
 */
export abstract class RxQueue {
  /** Where receive buffers come from, and packets belong. */
  readonly pool: BufferPool;
  /** The queue's counters. */
  readonly stats: QueueStats;
  protected readonly header: HeaderBytes;
  #queue: DriverQueue;
  #refill: RxRefill;
  readonly #codec: HeaderCodec | undefined;
  readonly #kick: Notifier;
  readonly #onBroken: (fault: QueueFault) => void;
  readonly #switch: QueueSwitch;
  readonly #switches: Int32Array;
  /** As the switches were when they were looked at last. */
  #version = -1;
  #turns: number;
  #stopped = false;
  readonly #taps = new Set<BurstTap>();
  /** Undefined, and free of cost, while nothing is to be done with the packets. */
  #gate: RxGate | undefined;
  #stripped = false;
  #reported = false;
  readonly #native: boolean;
  readonly #freeThreshold: number | undefined;
  #kernel: BurstKernel | undefined;
  /** Set by a subclass that cannot go on, although the ring could. */
  protected fault: QueueFault | undefined;

  /** @internal Ports have them. */
  constructor(options: RxQueueOptions) {
    this.#queue = options.queue;
    this.stats = new QueueStats(options.groupCounters);
    this.pool = options.pool;
    this.header = options.headerBytes;
    this.#kick = options.kick;
    this.#onBroken = options.onBroken;
    this.#codec = options.codec;
    this.#native = options.native ?? false;
    this.#freeThreshold = options.freeThreshold;
    this.#refill = this.#serve(options.queue);
    this.#switch = options.switch ?? { port: PortSwitches.create(options.rules ?? {}, 1), queue: 0 };
    this.#switches = this.#switch.port.words;
    this.#turns = this.#switch.port.turns(this.#switch.queue);
    this.#lookAtSwitches();
  }

  /** The virtqueue; another one after a restart. */
  get queue(): DriverQueue {
    return this.#queue;
  }

  /** Kicks sent to the device. */
  get kicks(): number {
    return this.stats.get('kicks');
  }

  /** True while the queue, or the whole port, is stopped: nothing is received, and the device gets no buffers. */
  get stopped(): boolean {
    this.#look();
    return this.#stopped;
  }

  /** Why this queue ended by itself, or undefined. */
  get broken(): QueueFault | undefined {
    return this.queue.broken ?? this.fault;
  }

  /**
   * Receives up to `burst.capacity` packets into the burst, from entry 0 on. Their buffers belong to the caller, who
   * sends them on or gives them back to the pool.
   * @returns how many, which is also `burst.count`
   * @throws TypeError when the port has receive offloads and the burst no place for them: use `NetPort.burst`
   */
  receive(burst: PacketBurst): number {
    burst.pool = this.pool;
    if (this.#codec !== undefined && burst.offloads === undefined)
      throw new TypeError('make the burst with NetPort.burst');
    if (this.#switches[VERSION] !== this.#version) this.#lookAtSwitches();
    if (this.fault !== undefined || this.#stopped) return (burst.count = 0);
    let n = this.#take(burst);
    if (this.#codec !== undefined && n > 0) n = this.#readHeaders(this.#codec, burst, n);
    if (this.header === headerWithHash) this.#readHashes(burst, n);
    if (this.#gate !== undefined && n > 0) n = this.#gate.pass(this.pool, burst, n, this.stats);
    burst.count = n;
    // Whoever takes much at a time would leave the device with nothing for as long as he works on it.
    if (this.#queue.free > this.#queue.size >>> 1) this.fill();
    if (this.broken !== undefined) this.#report(this.broken);
    return n;
  }

  /**
   * Shows every packet from now on to a tap, as the device delivered it. @returns shows it no more
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

  /** Gives the device empty buffers as far as ring and pool allow; `receive` does it by itself. */
  fill(): void {
    this.#look();
    if (this.#stopped) return;
    if (this.#refill.run() && this.#queue.kickNeeded()) this.#signal();
  }

  /**
   * What whoever waits for packets does first: buffers that came back to the pool since the last `receive` go to the device,
   * which may have none left, and it is asked for an interrupt.
   * @returns true if packets are waiting: receive first
   */
  sleep(): boolean {
    this.fill();
    return this.armInterrupt();
  }

  /** Asks for an interrupt at the next packet. @returns true if packets are waiting: receive first; never while stopped */
  armInterrupt(): boolean {
    return !this.stopped && this.queue.armInterrupt();
  }

  /** Asks the device for silence. */
  disarmInterrupt(): void {
    this.queue.disarmInterrupt();
  }

  /** After the device was stopped: takes back every buffer it held. */
  reclaim(): void {
    const tokens = new Int32Array(this.queue.size);
    this.pool.release(tokens, 0, this.queue.reclaim(tokens));
  }

  /** Goes on with a fresh virtqueue in place of the old one, whose buffers come back. `fill` it when the device runs. */
  restart(queue: DriverQueue): void {
    this.reclaim();
    this.#queue = queue;
    this.#refill = this.#serve(queue);
    this.fault = undefined;
    this.#reported = false;
  }

  #look(): void {
    if (this.#switches[VERSION] !== this.#version) this.#lookAtSwitches();
  }

  /** Something was switched: what is done to frames, whether the queue runs. */
  #lookAtSwitches(): void {
    const { port, queue } = this.#switch;
    this.#version = port.version;
    this.#renewGate();
    const turns = port.turns(queue);
    this.#stopped = port.isStopped(queue);
    if (turns === this.#turns) return;
    this.#turns = turns;
    if (!this.#stopped) this.#flush();
  }

  #renewGate(): void {
    const { rules } = this.#switch.port;
    const gate = new RxGate(rules, this.#taps, this.#stripped);
    this.#stripped ||= rules.vlanStrip === true;
    this.#gate = gate.idle ? undefined : gate;
  }

  /** What the device delivered while the queue was stopped is of another time: it is dropped, as in DPDK. */
  #flush(): void {
    const burst = new PacketBurst(flushBurst);
    burst.pool = this.pool;
    this.stats.settle();
    const counted = this.stats.counters.slice();
    let dropped = 0;
    // A device that goes on delivering is not waited for.
    for (let left = this.#queue.size; left > 0 && this.fault === undefined; left -= flushBurst) {
      burst.count = this.#take(burst);
      burst.release();
      dropped += burst.count;
      if (burst.count < flushBurst) break;
    }
    this.stats.counters.set(counted);
    this.stats.countDrops(dropped, 'stopped');
  }

  /** With offloads: takes what the headers say into the burst, and drops packets whose header makes no sense. */
  #readHeaders(codec: HeaderCodec, burst: PacketBurst, count: number): number {
    const { buffer, offset, length, segments, offloads } = burst;
    if (offloads === undefined) return count;
    const { u16 } = this.pool.region;
    let n = 0;
    for (let i = 0; i < count; i++) {
      // The header is in front of the data wherever the first buffer is: headers lie in the headroom.
      if (!codec.read(u16, offset[i] - this.header, length[i], offloads, n)) {
        if (segments[i] === 1) this.pool.release(buffer, i, 1);
        else this.pool.releaseChain(buffer[i]);
        this.stats.countErrors(1, 'header');
        continue;
      }
      buffer[n] = buffer[i];
      offset[n] = offset[i];
      length[n] = length[i];
      segments[n] = segments[i];
      n++;
    }
    return n;
  }

  /** Takes the hashes of the packets into the burst, if it has a place for them. */
  #readHashes({ offset, offloads }: PacketBurst, count: number): void {
    if (offloads === undefined) return;
    const { u8 } = this.pool.region;
    for (let i = 0; i < count; i++) {
      const at = offset[i] - headerWithHash + hashOffset;
      offloads.hash[i] = u8[at] | (u8[at + 1] << 8) | (u8[at + 2] << 16) | (u8[at + 3] << 24);
      // Reports nobody has heard of are none.
      const report = u8[at + 4] | (u8[at + 5] << 8);
      offloads.hashReport[i] = report > mostHashReport ? HASH_REPORT_NONE : report;
    }
  }

  /** Takes packets off the ring into the burst, from entry 0 on, and counts them. @returns their number */
  #take(burst: PacketBurst): number {
    if (this.#kernel !== undefined) {
      // Most polls find nothing, and this look is cheaper than a call.
      if (!this.#queue.usedWaiting()) {
        this.fill();
        return this.#foundNothing();
      }
      this.runKernel(this.#kernel, burst, this.#refill.threshold);
      if (this.#kernel.kick) this.#signal();
      if (this.#kernel.packets > 0 || !this.#kernel.blocked) return this.#kernel.packets;
    }
    // Before packets are taken: what the last ones lay in has come back by now, in order, and goes to the same descriptors once more.
    // A split ring's then stay as they are, and their cache lines with the device.
    if (this.pool.free >= this.#queue.free) this.fill();
    const reaped = this.#queue.reap(burst.buffer, burst.length, 0, burst.capacity);
    return reaped > 0 ? this.assemble(burst, reaped) : this.#foundNothing();
  }

  #foundNothing(): 0 {
    this.stats.countEmptyPoll();
    return 0;
  }

  #signal(): void {
    this.stats.countKick();
    this.#kick.signal();
  }

  /** Makes what belongs to a virtqueue: its kernel, where there is one, and its refill. */
  #serve(queue: DriverQueue): RxRefill {
    const { pool, stats, header } = this;
    const mergeable = this.mergeable;
    const kernel = { queue, pool, stats, headerBytes: header, mergeable, codec: undefined };
    this.#kernel = this.#native ? BurstKernel.create(kernel) : undefined;
    return new RxRefill(queue, pool, header, stats, this.#freeThreshold);
  }

  /** Whether packets may be spread over several buffers. */
  protected abstract get mergeable(): boolean;

  /** Has the kernel receive a burst; a subclass that keeps packets from burst to burst lends them. */
  protected runKernel(kernel: BurstKernel, burst: PacketBurst, freeThreshold: number): void {
    kernel.receive(burst, freeThreshold);
  }

  /** Turns `reaped` buffers (burst.buffer, burst.length) into packets, in place, and counts them. @returns their number */
  protected abstract assemble(burst: PacketBurst, reaped: number): number;

  #report(fault: QueueFault): void {
    if (this.#reported) return;
    this.#reported = true;
    callApplication(() => this.#onBroken(fault));
  }
}

/** One buffer per packet. */
export class PlainRxQueue extends RxQueue {
  protected override get mergeable(): boolean {
    return false;
  }

  protected override assemble(burst: PacketBurst, reaped: number): number {
    const { buffer, offset, length, segments } = burst;
    const { dataBase, stride, dataRoom, region } = this.pool;
    const { u8 } = region;
    const { header, stats } = this;
    let n = 0;
    for (let i = 0; i < reaped; i++) {
      const b = buffer[i];
      const bytes = length[i] - header;
      if (bytes <= 0 || bytes > dataRoom) {
        this.pool.release(buffer, i, 1);
        stats.countErrors(1, 'length');
        continue;
      }
      const at = dataBase + Math.imul(b, stride);
      stats.count(u8, at, bytes);
      buffer[n] = b;
      offset[n] = at;
      length[n] = bytes;
      segments[n] = 1;
      n++;
    }
    stats.settle();
    return n;
  }
}
