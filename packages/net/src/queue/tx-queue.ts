import { callApplication } from '@vio/native/internal';
import type { BufferPool, DriverQueue, QueueFault } from '@vio/rings';
import type { BurstTap } from '../frames/burst-tap.ts';
import type { FrameRules } from '../frames/frame-rules.ts';
import { TxGate } from '../frames/gate.ts';
import type { HeaderBytes } from '../header.ts';
import type { PacketBurst } from '../packet-burst.ts';
import type { HeaderCodec } from '../offload/header-codec.ts';
import { prepareOffloads } from '../offload/prepare.ts';
import { QueueStats } from '../stats.ts';
import { BurstKernel } from './burst-kernel.ts';
import { PortSwitches, type QueueSwitch } from './port-switches.ts';

/** Wakes the other side of a queue: an eventfd, a doorbell. */
export interface Notifier {
  /** Wakes the other side; never blocks, never throws. */
  signal(): void;
}

/** What a receive or transmit queue is made of. */
export interface NetQueueOptions {
  /** The virtqueue. */
  readonly queue: DriverQueue;
  /** Packet buffers. */
  readonly pool: BufferPool;
  /** Bytes of the virtio-net header. */
  readonly headerBytes: HeaderBytes;
  /** Tells the device of new buffers. */
  readonly kick: Notifier;
  /** Present when offloads were negotiated in this direction. */
  readonly codec?: HeaderCodec | undefined;
  /** What is done to every frame, of a queue without switches. Default: nothing. */
  readonly rules?: FrameRules | undefined;
  /** What is done to frames, and whether the queue runs, from now on. Default: as `rules` say, always. */
  readonly switch?: QueueSwitch | undefined;
  /** True: bursts are moved in C++, as far as they can be. Default false. */
  readonly native?: boolean | undefined;
  /** Called once when the queue breaks. */
  readonly onBroken: (fault: QueueFault) => void;
}

const reapBurst = 64;
/** Of `PortSwitches.words`; a constant of this module, because V8 folds those and not imported ones. */
const VERSION = 0;

/** A transmit queue: packets go out of the pool, onto the ring, and back to the pool once the device has read them. */
export class TxQueue {
  /** Where the packets' buffers belong. */
  readonly pool: BufferPool;
  /** The queue's counters. */
  readonly stats = new QueueStats();
  readonly #header: HeaderBytes;
  readonly #kick: Notifier;
  readonly #onBroken: (fault: QueueFault) => void;
  readonly #codec: HeaderCodec | undefined;
  #queue: DriverQueue;
  readonly #native: boolean;
  #kernel: BurstKernel | undefined;
  /** The device is away. */
  #paused = false;
  /** The device does not read this queue. */
  #held = false;
  /** True when even a packet of one segment takes a chain: the header has a descriptor of its own. */
  readonly #separateHeader: boolean;
  /** Packets have one buffer each, and their headers say nothing. */
  readonly #simple: boolean;
  readonly #tokens = new Int32Array(reapBurst);
  /** Packets of several segments that the device holds; while there are none, completions are given back in bulk. */
  #chains = 0;
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
    this.pool = options.pool;
    this.#header = options.headerBytes;
    this.#kick = options.kick;
    this.#onBroken = options.onBroken;
    this.#separateHeader = options.separateHeader ?? false;
    this.#simple = options.simple ?? false;
    this.#codec = options.codec;
    this.#native = options.native ?? false;
    this.#kernel = this.#kernelOf(options.queue);
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
    return this.#simple ? 1 : this.#queue.size - (this.#separateHeader ? 1 : 0);
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

  #send(burst: PacketBurst, from: number): number {
    const wanted = burst.count - from;
    if (wanted <= 0 || this.#silent) return 0;
    const kernel = this.#kernel;
    if (kernel === undefined || this.#queue.broken !== undefined) return this.#sendByTwin(burst, from);
    this.#chains = kernel.send(burst, from, burst.count, this.#chains);
    const taken = kernel.packets;
    if (kernel.kick) this.#signal();
    if (kernel.blocked) return taken + this.#sendByTwin(burst, from + taken);
    if (taken < wanted) this.stats.countFullRing();
    return taken;
  }

  #sendByTwin(burst: PacketBurst, from: number): number {
    const wanted = burst.count - from;
    // With indirect tables a ring that is far from full can hold every buffer of the pool, and receiving starves.
    if (this.#queue.free < wanted || this.#chains > 0) this.reap();
    if (this.#queue.broken !== undefined) return 0;
    const taken = this.#add(burst, from);
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
      if (stop < admitted) this.#dropTooLong(burst, at++);
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
    for (;;) {
      const n = this.#chains === 0 ? this.pool.reap(this.#queue, reapBurst) : this.#reapMixed();
      if (n < reapBurst) break;
    }
    if (this.#queue.broken !== undefined) this.#report(this.#queue.broken);
  }

  #reapByKernel(): void {
    if (this.#kernel !== undefined && this.#queue.broken === undefined)
      this.#chains = this.#kernel.reap(this.#chains);
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
    const tokens = new Int32Array(this.#queue.size);
    const n = this.#queue.reclaim(tokens);
    for (let i = 0; i < n; i++) this.pool.releaseChain(tokens[i]);
    this.#chains = 0;
    return n;
  }

  /** Goes on with a fresh virtqueue in place of the old one. Packets still on that are given up, not sent twice. */
  restart(queue: DriverQueue): void {
    this.stats.countLost(this.reclaim());
    this.#queue = queue;
    this.#kernel = this.#kernelOf(queue);
    this.#reported = false;
    this.#paused = false;
  }

  /** Alternates between runs of single-segment packets, added in one go, and chains. */
  #add(burst: PacketBurst, from: number): number {
    const end = burst.count;
    let at = from;
    while (at < end) {
      const singles = this.#separateHeader ? 0 : this.#addSingles(burst, at, end);
      if (singles > 0) {
        at += singles;
        continue;
      }
      const added =
        this.#simple || this.#queue.free === 0
          ? 0
          : this.#addChains(burst, at, this.#chainRun(burst, at, end));
      at += added;
      if (added > 0) continue;
      // It would wait for ever, and all others behind it.
      if (burst.segments[at] <= this.longest) break;
      this.#dropTooLong(burst, at++);
    }
    return at - from;
  }

  #dropTooLong(burst: PacketBurst, at: number): void {
    burst.pool ??= this.pool;
    burst.releaseOne(at);
    this.stats.countDrops(1, 'no_room');
  }

  /** Adds the packets of one segment from `from` on, as many as follow each other and fit the ring. @returns how many */
  #addSingles(burst: PacketBurst, from: number, end: number): number {
    const n = this.#prepareSingles(burst, from, end);
    if (n > 0) this.#queue.add(burst.buffer, burst.offset, burst.length, from, n, this.#header);
    return n;
  }

  /**
   * Readies the packets of one segment from `from` on, as many as follow each other and fit the ring.
   * @returns how many
   */
  #prepareSingles(burst: PacketBurst, from: number, end: number): number {
    const { i32, u8 } = this.pool.region;
    const { offset, length, segments } = burst;
    const { stats } = this;
    const queue = this.#queue;
    const header = this.#header;
    const limit = end - from < queue.free ? end : from + queue.free;
    let i = from;
    for (; i < limit && segments[i] === 1; i++) {
      clearHeader(i32, u8, offset[i], header);
      stats.count(u8, offset[i], length[i]);
    }
    stats.settle();
    this.#writeHeaders(burst, from, i);
    return i - from;
  }

  /** With offloads: what the burst says goes into the headers, which are clear. */
  #writeHeaders(burst: PacketBurst, from: number, end: number): void {
    const { offloads } = burst;
    if (this.#codec === undefined || offloads === undefined) return;
    const { u8 } = this.pool.region;
    for (let i = from; i < end; i++) {
      if (offloads.flags[i] !== 0)
        this.#codec.write(u8, burst.offset[i] - this.#header, this.#header, offloads, i);
    }
  }

  /** @returns how many packets from `from` on have to be chains */
  #chainRun({ segments }: PacketBurst, from: number, end: number): number {
    let i = from;
    while (i < end && (segments[i] > 1 || this.#separateHeader)) i++;
    return i - from;
  }

  #addChains(burst: PacketBurst, from: number, count: number): number {
    const { pool } = this;
    const { i32, u8 } = pool.region;
    for (let i = from; i < from + count; i++) {
      clearHeader(i32, u8, burst.offset[i], this.#header);
      if (burst.segments[i] !== 1) continue;
      pool.dataOffset[burst.buffer[i]] = burst.offset[i];
      pool.dataLength[burst.buffer[i]] = burst.length[i];
    }
    this.#writeHeaders(burst, from, from + count);
    const added = this.#queue.addChains(burst.buffer, burst.segments, pool, from, count, this.#header);
    this.#chains += added;
    this.stats.countBurst(u8, burst, from, from + added);
    return added;
  }

  #reapMixed(): number {
    const tokens = this.#tokens;
    const n = this.#queue.reap(tokens, undefined, 0, reapBurst);
    for (let i = 0; i < n; i++) {
      if (this.pool.next[tokens[i]] !== -1 || this.#separateHeader) this.#chains--;
      this.pool.releaseChain(tokens[i]);
    }
    return n;
  }

  #report(fault: QueueFault): void {
    if (this.#reported) return;
    this.#reported = true;
    callApplication(() => this.#onBroken(fault));
  }
}

/**
 * Zeroes the header in front of the packet at `offset`: no checksum, no segmentation, num_buffers 0. A header that is
 * zero already, as a recycled buffer's is, is only read, so its cache line stays clean.
 */
function clearHeader(i32: Int32Array, u8: Uint8Array, offset: number, bytes: HeaderBytes): void {
  const word = (offset - 12) >>> 2;
  if (bytes === 12 && (offset & 3) === 0) {
    if ((i32[word] | i32[word + 1] | i32[word + 2]) === 0) return;
    i32[word] = 0;
    i32[word + 1] = 0;
    i32[word + 2] = 0;
  } else {
    clearBytes(u8, offset - bytes, offset);
  }
}

function clearBytes(u8: Uint8Array, from: number, end: number): void {
  for (let at = from; at < end; at++) {
    if (u8[at] !== 0) u8[at] = 0;
  }
}
