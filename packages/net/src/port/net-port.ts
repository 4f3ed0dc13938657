import type { EventFd, VioError } from '@vio/native';
import { checkOptions } from '@vio/native/internal';
import {
  type BufferPool,
  type DriverQueue,
  type DumpOptions,
  type Region,
  type RingDump,
  VIRTIO_F_EVENT_IDX,
  driverRingView,
  dumpRing,
} from '@vio/rings';
import { Capture } from '../capture/capture.ts';
import { type PortCaptureOptions, watchedQueues } from '../capture/port-capture.ts';
import type { FrameRules } from '../frames/frame-rules.ts';
import { NetControl } from '../control/net-control.ts';
import { headerSize } from '../header.ts';
import { hasRxOffloads, hasTxOffloads } from '../offload/offload-features.ts';
import { PacketBurst } from '../packet-burst.ts';
import type { PathChoice } from '../paths.ts';
import { PortSwitches } from '../queue/port-switches.ts';
import type { RxQueue } from '../queue/rx-queue.ts';
import type { TxQueue } from '../queue/tx-queue.ts';
import { PacketReader } from './packet-reader.ts';
import { type LinkState, PortEmitter } from './port-events.ts';
import { genericStats, portStats } from './port-stats.ts';
import { type ReadOptions, readNames } from './read-options.ts';
import { RxCalls } from './rx-calls.ts';
import { RxInterrupt } from './rx-interrupt.ts';
import {
  type RxWait,
  type UntilPacketsOptions,
  type UntilPacketsSyncOptions,
  RxBlock,
  RxSleep,
  untilPackets,
  untilPacketsNames,
  untilPacketsSyncNames,
} from './rx-wait.ts';
import { linkDownError } from './port-errors.ts';
import { PacketWriter, type SendOptions, sendNames } from './packet-writer.ts';
import { readableStream, writableStream } from './web-streams.ts';

/** A ring of a port, with its name. */
export interface NamedRingDump extends RingDump {
  /** As in `receiveq0`. */
  readonly name: string;
}

/** What a port is made of. */
export interface NetPortParts {
  /** Negotiated device features. */
  readonly features: bigint;
  /** As in `02:00:00:00:00:01`. */
  readonly mac: string;
  /** The elected paths. */
  readonly paths: { readonly rx: PathChoice; readonly tx: PathChoice };
  /** The port's memory. */
  readonly region: Region;
  /** Packet buffers in it. */
  readonly pool: BufferPool;
  /** The receive queues, by queue pair. */
  readonly rx: readonly RxQueue[];
  /** The transmit queues, by queue pair. */
  readonly tx: readonly TxQueue[];
  /** By queue pair: what the device signals when it has used receive buffers. */
  readonly rxCall: readonly EventFd[];
  /** How the device is told things. Default: it cannot be. */
  readonly control?: NetControl | undefined;
  /** What the queues do to every frame, of a port without switches. Default: nothing. */
  readonly rules?: FrameRules | undefined;
  /** What its queues go by while they run. Default: as `rules` say, always. */
  readonly switches?: PortSwitches | undefined;
}

/**
 * A virtio-net port: queue pairs over one region and pool. Two ways to use it: the queues' bursts (`rx[i].receive`,
 * `tx[i].send`), which cost nanoseconds, and the convenient way (`send`, `packets`, streams), which copies.
 */
export class NetPort extends PortEmitter {
  /** Negotiated device features. */
  readonly features: bigint;
  /** The elected receive and transmit paths, and why. */
  readonly paths: { readonly rx: PathChoice; readonly tx: PathChoice };
  /** The port's memory: rings and packet buffers. */
  readonly region: Region;
  /** The port's packet buffers. */
  readonly pool: BufferPool;
  /** The receive queues, by queue pair. */
  readonly rx: readonly RxQueue[];
  /** The transmit queues, by queue pair. */
  readonly tx: readonly TxQueue[];
  /** What the device can be told: queue pairs, filters, hashes. Refuses what was not negotiated. */
  readonly control: NetControl;
  readonly #mac: string;
  readonly #switches: PortSwitches;
  /** Somebody else has the switches as well. */
  readonly #switchable: boolean;
  readonly #calls: RxCalls;
  readonly #wait: RxWait;
  readonly #everyPair: readonly number[];
  readonly #sleep: RxSleep;
  readonly #block: RxBlock;
  readonly #readers = new Map<number, PacketReader>();
  readonly #interrupts = new Map<number, RxInterrupt>();
  readonly #writers: (PacketWriter | undefined)[] = [];
  #link: LinkState = { up: true };
  #closed = false;

  /** @internal Ports are made by openers. */
  constructor(parts: NetPortParts) {
    super();
    this.features = parts.features;
    this.#mac = parts.mac;
    this.paths = parts.paths;
    this.region = parts.region;
    this.pool = parts.pool;
    this.rx = parts.rx;
    this.tx = parts.tx;
    this.#switchable = parts.switches !== undefined;
    this.#switches = parts.switches ?? PortSwitches.create(parts.rules ?? {}, parts.rx.length);
    this.control =
      parts.control ??
      new NetControl({
        features: parts.features,
        channel: undefined,
        maxPairs: Math.max(1, parts.rx.length),
      });
    this.#calls = new RxCalls(parts.rx, parts.rxCall);
    this.#wait = { port: this, calls: this.#calls };
    this.#everyPair = [...parts.rx.keys()];
    this.#block = new RxBlock(this.#wait);
    this.#sleep = new RxSleep(this.#wait, this.#everyPair);
  }

  /** As in `02:00:00:00:00:01`. */
  get mac(): string {
    return this.control.mac ?? this.#mac;
  }

  /** What is done to every frame besides moving it, at this moment. */
  get rules(): FrameRules {
    return this.#switches.rules;
  }

  /** True between `stop` and `start` of the port: no packet passes its queues, in whichever thread they are. */
  get stopped(): boolean {
    return this.#switches.stopped;
  }

  /** The state of the link now; the event `link` tells of changes. */
  get link(): LinkState {
    return this.#link;
  }

  /** True from the beginning of `close` on: the memory goes away. */
  get closed(): boolean {
    return this.#closed;
  }

  /** For the owner of the memory, before it lets go of it: nothing is read or sent any more. */
  protected end(): void {
    this.#closed = true;
    if (this.#link.up) this.setLink({ up: false });
    this.#calls.close();
  }

  /** True when nothing passes any more: the port is closed, or its link went down with a reason. */
  get gone(): boolean {
    return this.#closed || this.#link.reason !== undefined;
  }

  /** For the device that owns the link: changes its state and tells. */
  setLink(link: LinkState): void {
    const last = this.#link;
    if (link.up === last.up && (last.reason !== undefined || link.reason === undefined)) return;
    this.#link = link;
    this.emit('link', link);
  }

  /** For the device that owns the link, once it is there again: the link is what it says, whatever it was. */
  protected renewLink(up: boolean): void {
    this.#link = { up };
    this.emit('link', this.#link);
  }

  /** For the device that owns the link: why it is still down, if that is something else by now. */
  protected explainLink(reason: VioError): void {
    if (this.#closed || this.#link.up || this.#link.reason?.code === reason.code) return;
    this.#link = { up: false, reason };
    this.emit('link', this.#link);
  }

  /**
   * A burst for this port's queues: with a place for what headers say, if offloads were negotiated, and for VLAN tags, if the port
   * strips or inserts them or can be told to.
   */
  burst(capacity = 32): PacketBurst {
    const { vlanStrip, vlanInsert } = this.rules;
    return new PacketBurst(capacity, {
      offloads:
        hasRxOffloads(this.features) || hasTxOffloads(this.features) || headerSize(this.features) === 20,
      vlan: this.#switchable || vlanStrip === true || vlanInsert === true,
    });
  }

  /**
   * Sends one frame (copied) on a queue pair; waits while the ring is full.
   * @param bytes an Ethernet frame without CRC, 1 to 9728 bytes and no more than the port's MTU allows; left alone until the promise settles
   * @throws RangeError when the port has no such queue pair; one whose queue pairs are detached has none
   * @throws VioError VIO_FRAME_SIZE, VIO_LINK_DOWN, VIO_PORT_STOPPED, VIO_QUEUE_STOPPED, VIO_QUEUE_BROKEN, VIO_QUEUE_NOT_IN_USE,
   *   VIO_TIMEOUT, VIO_ABORTED, VIO_OPTION_UNKNOWN
   */
  async send(bytes: Uint8Array, options: SendOptions = {}): Promise<void> {
    checkOptions('send', options, sendNames);
    await this.#writer(options.queue ?? 0).send([bytes], options);
  }

  /**
   * Sends frames (copied) on a queue pair, in order and many at a time; waits while the ring is full. Frames that went out
   * before it fails are not called back.
   * @param frames as `send` takes them; one that the port can never send is refused before the first goes out
   * @throws as `send`
   */
  async sendMany(frames: readonly Uint8Array[], options: SendOptions = {}): Promise<void> {
    checkOptions('sendMany', options, sendNames);
    await this.#writer(options.queue ?? 0).send(frames, options);
  }

  /**
   * Sends one frame (copied) now or not at all.
   * @param bytes as `send` takes them
   * @param queue queue pair
   * @returns false when the ring is full, the pool is empty, or frames of `send` wait for their turn: try again later
   * @throws as `send`, but never waits
   */
  trySend(bytes: Uint8Array, queue = 0): boolean {
    return this.#writer(queue).trySend(bytes);
  }

  /**
   * The frames that arrive on a queue pair, copied out of the pool. Spins for a moment when there are none, then
   * sleeps until the device interrupts. Ends when the link goes down with a reason, the port is closed or the signal
   * aborts; while the port is stopped, it waits. One at a time for each queue pair.
   * @throws RangeError when the port has no such queue pair
   * @throws VioError VIO_QUEUE_BROKEN, VIO_QUEUE_BUSY while the queue pair is being read already, VIO_OPTION_UNKNOWN
   */
  packets(options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    checkOptions('packets', options, readNames);
    return this.#reader(options.queue ?? 0).read(options.signal);
  }

  /**
   * As `packets`, but a burst at a time and not copied: the frames lie in the port's own buffers (those of several buffers
   * are put together), and are good until the next batch is asked for. Several times as fast for small frames.
   * @throws as `packets`
   */
  batches(options: ReadOptions = {}): AsyncGenerator<readonly Uint8Array[], void, undefined> {
    checkOptions('batches', options, readNames);
    return this.#reader(options.queue ?? 0).batches(options.signal);
  }

  /**
   * For poll loops with nothing to do: sleeps until a device has put something into one of the receive queues. Returns at
   * once if it has already, and also when the link changes or the signal aborts. One at a time for each queue pair.
   * @throws RangeError when the port has no such queue pair; VioError VIO_OPTION_UNKNOWN
   */
  untilPackets(options?: UntilPacketsOptions): Promise<void> {
    // Every step between the wake-up and who waits for it is cold.
    if (options === undefined && !this.#sleep.taken && !this.gone) return this.#sleep.until();
    return this.#untilPackets(options ?? {});
  }

  async #untilPackets(options: UntilPacketsOptions): Promise<void> {
    checkOptions('untilPackets', options, untilPacketsNames);
    await untilPackets(this.#wait, this.#pairs(options.queues), options.signal);
  }

  /**
   * As `untilPackets`, for a thread of its own: blocks it in the kernel, which is the shortest way back. Nothing else happens in
   * the thread meanwhile (no timers, no link changes), but it can be terminated.
   * @returns false when time was over
   * @throws RangeError when the port has no such queue pair; VioError VIO_OPTION_UNKNOWN, VIO_LINK_DOWN when nothing passes any more
   */
  untilPacketsSync(options?: UntilPacketsSyncOptions): boolean {
    if (this.gone) throw linkDownError(this.#link);
    if (options === undefined) return this.#block.until(this.#everyPair, Infinity);
    checkOptions('untilPacketsSync', options, untilPacketsSyncNames);
    return this.#block.until(this.#pairs(options.queues), options.timeout ?? Infinity);
  }

  #pairs(queues: readonly number[] | undefined): readonly number[] {
    if (queues === undefined) return this.#everyPair;
    for (const pair of queues) {
      if (!(pair in this.rx)) throw new RangeError(`the port has no queue pair ${pair}`);
    }
    return queues;
  }

  /**
   * The interrupt of one receive queue, to be enabled and disabled by a program that waits in its own way.
   * @throws RangeError when the port has no such queue pair
   */
  rxInterrupt(pair: number): RxInterrupt {
    if (!(pair in this.rx)) throw new RangeError(`the port has no queue pair ${pair}`);
    let interrupt = this.#interrupts.get(pair);
    if (interrupt === undefined) {
      interrupt = new RxInterrupt(this, pair, this.#calls);
      this.#interrupts.set(pair, interrupt);
    }
    return interrupt;
  }

  /** What `packets` gives, as a Web stream of frames. @throws VioError VIO_OPTION_UNKNOWN; RangeError for a queue pair there is not */
  readable(options: ReadOptions = {}): ReadableStream<Uint8Array> {
    checkOptions('readable', options, readNames);
    const reader = this.#reader(options.queue ?? 0);
    return readableStream((signal) => reader.read(signal), options.signal);
  }

  /** A Web stream whose chunks are frames to send. @throws VioError VIO_OPTION_UNKNOWN */
  writable(options: SendOptions = {}): WritableStream<Uint8Array> {
    checkOptions('writable', options, sendNames);
    return writableStream((bytes, signal) => this.send(bytes, { ...options, signal }), options.signal);
  }

  /**
   * Captures what passes through queues of this port, from now until it is stopped: frames as they are on the rings. Read
   * it as it comes: `for await (const bytes of port.capture())`. Costs nothing when there is none.
   * @throws RangeError when the port has no such queue pair, or an option is out of range
   */
  capture(options: PortCaptureOptions = {}): Capture {
    return new Capture(watchedQueues(this, options), options);
  }

  /**
   * Every ring as it lies in memory at this moment, broken ones included: `receiveq0`, `transmitq0`, `receiveq1`, ... For a
   * person: `ringDumpText(name, dump)`.
   */
  dumpRings(options: DumpOptions = {}): NamedRingDump[] {
    return [...this.ringDumps(options)];
  }

  /**
   * The same, each when it is asked for.
   * @internal For telemetry.
   */
  *ringDumps(options: DumpOptions = {}): Generator<NamedRingDump, void, undefined> {
    const eventIdx = (this.features & VIRTIO_F_EVENT_IDX) !== 0n;
    const dump = (name: string, queue: DriverQueue): NamedRingDump => ({
      name,
      ...dumpRing(driverRingView(queue, this.region, eventIdx), options),
    });
    for (const [pair, rx] of this.rx.entries()) {
      yield dump(`receiveq${pair}`, rx.queue);
      yield dump(`transmitq${pair}`, this.tx[pair].queue);
    }
  }

  #writer(pair: number): PacketWriter {
    let writer = this.#writers[pair];
    if (writer === undefined) {
      if (!(pair in this.tx)) throw new RangeError(`the port has no queue pair ${pair}`);
      writer = new PacketWriter(this, pair);
      this.#writers[pair] = writer;
    }
    return writer;
  }

  #reader(pair: number): PacketReader {
    if (!(pair in this.rx)) throw new RangeError(`the port has no queue pair ${pair}`);
    let reader = this.#readers.get(pair);
    if (reader === undefined) {
      reader = new PacketReader(this.#wait, pair);
      this.#readers.set(pair, reader);
    }
    return reader;
  }

  /**
   * All counters: of every queue DPDK's xstats by their names (`rx_q0_good_packets`, ...), then what DPDK does not count
   * (`rx_q0_calls`, `tx_q0_full_rings`, ...; see `queueEventNames`).
   */
  stats(): Record<string, number> {
    return portStats(this.rx, this.tx);
  }

  /**
   * All counters under DPDK's names: those of the whole port first (`rx_good_packets`, `tx_good_bytes`, `rx_errors`,
   * `rx_mbuf_allocation_errors`, ...), then what `stats` gives. `rx_missed_errors` is 0: a virtio device does not say what it dropped.
   */
  xstats(): Record<string, number> {
    const stats = this.stats();
    return { ...genericStats(stats), ...stats };
  }

  /** Lets the counters of every queue begin at 0 again, as DPDK's `rte_eth_stats_reset` does; packets go on moving. */
  resetStats(): void {
    for (const { stats } of [...this.rx, ...this.tx]) stats.reset();
  }
}
