import { type NotesKernel, notesJob, noteWord } from '@vio/native/internal';
import { PacketBurst, PacketOffloads, type QueueStats } from '@vio/net';
import type { HeaderCodec } from '@vio/net/internal';
import type { BufferPool, ChainBurst, DeviceQueue, MemoryMap } from '@vio/rings';
import type { SingleBurst } from '@vio/rings/internal';
import type { BurstCopier } from '../packets/burst-copier.ts';
import { chainsPerBurst } from '../packets/burst-limits.ts';
import { DequeuePath } from '../packets/dequeue.ts';
import type { DequeueOptions } from '../packets/dequeue-options.ts';
import { EnqueuePath } from '../packets/enqueue.ts';
import type { CopySink } from '../packets/packet-holder.ts';
import type { DmaChannel, TransferOwner } from './dma-channel.ts';
import { HeldChains } from './held-chains.ts';
import { HeldPackets } from './held-packets.ts';
import { NativeNotes } from './native-notes.ts';
import { type SinglesHolder, isSingleRing } from './single-chains.ts';
import { SingleFetch } from './single-fetch.ts';
import { SingleSubmit } from './single-submit.ts';
import { TransferCopier } from './transfer-copier.ts';
import type { CopyRun } from './transfers.ts';

/** A ring that runs. */
export interface AsyncRing {
  readonly queue: DeviceQueue;
  /** The copies of this thread, over the same memory. */
  readonly copier: BurstCopier;
  readonly memory: MemoryMap;
  /** Bytes. */
  readonly header: number;
  readonly mergeable: boolean;
  readonly stats: QueueStats;
  /** Present when work may be left to the other side. */
  readonly codec: HeaderCodec | undefined;
  readonly dequeue: DequeueOptions;
  /** Calls the driver. */
  call(): void;
}

/** The data paths of a ring that runs. */
interface Running extends AsyncRing {
  readonly kernel: NotesKernel | undefined;
  readonly copies: TransferCopier;
  readonly chains: HeldChains;
}

/**
 * The asynchronous channel of a ring: packets are copied by an engine, in both directions. It stays while the ring comes and
 * goes. When that stops, everything in flight is copied to its end and the driver has its chains back; the packets wait here
 * until they are reported, each once.
 */
export class AsyncQueue implements SinglesHolder, TransferOwner {
  readonly inOrder: boolean;
  readonly #writable: boolean;
  readonly #dma: DmaChannel;
  readonly #packets: HeldPackets;
  #ring: Running | undefined;
  /** False while it stops: who is told that chains went back may submit more. */
  #takes = false;
  #queue: DeviceQueue | undefined;
  #enqueue: EnqueuePath | undefined;
  /** Stays when the ring stops: packets of the driver's may wait. */
  #dequeue: DequeuePath | undefined;
  /** The fast ways, at most one of them; undefined: the ring's own way takes everything. */
  #fastEnqueue: SingleSubmit | undefined;
  #fastDequeue: SingleFetch | undefined;
  /** The same in C++, for most of what they take. */
  #notes: NativeNotes | undefined;
  /** Between which memories packets are copied, and from where to where their headers are. */
  #pair = -1;
  #headerPair = -1;
  /** Chains that belong to the next packet. */
  #skipped = 0;
  /** For packets from a driver, while they are taken: of an application that is told of offloads, and of one that is not. */
  readonly #telling = new PacketBurst(chainsPerBurst, { offloads: true });
  readonly #plain = new PacketBurst(chainsPerBurst);
  readonly #said = new PacketOffloads(chainsPerBurst);

  /** @param index of the ring: of an even one the driver receives */
  constructor(index: number, dma: DmaChannel, inOrder: boolean) {
    this.inOrder = inOrder;
    this.#writable = index % 2 === 0;
    this.#dma = dma;
    this.#packets = new HeldPackets(dma.transfers.capacity, !this.#writable);
    dma.users++;
  }

  /** Packets that were submitted and not reported. */
  get inFlight(): number {
    return this.#packets.count;
  }

  /** The ring runs. */
  start(ring: AsyncRing): void {
    const { queue, copier, memory, header, mergeable, stats, codec, dequeue } = ring;
    const kernel = copier.notes(this.#dma.transfers);
    this.#ring = {
      ...ring,
      copies: new TransferCopier(memory, copier, this.#dma),
      chains: new HeldChains(queue.size, kernel),
      kernel,
    };
    this.#queue = queue;
    this.#takes = true;
    if (this.#writable)
      this.#enqueue = new EnqueuePath(queue, copier, memory, header, mergeable, stats, codec, this);
    else {
      this.#dequeue?.dispose();
      this.#dequeue = new DequeuePath(queue, copier, header, stats, codec, { ...dequeue, holder: this });
    }
    this.#findFastWay(this.#ring, queue);
  }

  #findFastWay(ring: Running, queue: DeviceQueue): void {
    const { memory, header, mergeable, stats, codec, kernel } = ring;
    this.#fastEnqueue = undefined;
    this.#fastDequeue = undefined;
    this.#notes = undefined;
    if (!isSingleRing(queue)) return;
    // Hashes are written packet by packet.
    if (kernel !== undefined && (!this.#writable || header <= 12))
      this.#notes = NativeNotes.create({ ...ring, queue, kernel, writable: this.#writable, holder: this });
    if (!this.#writable) this.#fastDequeue = new SingleFetch({ queue, memory, header, codec, holder: this });
    else if (header <= 12)
      this.#fastEnqueue = new SingleSubmit({ queue, memory, header, mergeable, stats, holder: this });
  }

  /** Goes on with another view of the same ring. */
  work(queue: DeviceQueue): void {
    this.#queue = queue;
    this.#enqueue?.work(queue);
    this.#dequeue?.work(queue);
    if (this.#ring !== undefined) this.#findFastWay(this.#ring, queue);
  }

  /** The ring stops: when this returns nothing touches the driver's memory any more. */
  stop(): void {
    const ring = this.#ring;
    if (ring === undefined) return;
    this.#takes = false;
    this.#finish();
    ring.copies.end();
    this.#ring = undefined;
    this.#queue = undefined;
    this.#enqueue = undefined;
    this.#fastEnqueue = undefined;
    this.#fastDequeue = undefined;
    this.#notes = undefined;
  }

  /** The channel is no more. */
  end(): void {
    this.stop();
    this.#dequeue?.dispose();
    this.#dma.leave(this);
  }

  /** Submits packets to the driver. @returns how many; they are held until they are reported */
  submit(pool: BufferPool, burst: PacketBurst, from: number, count: number): number {
    const path = this.#enqueue;
    if (path === undefined || !this.#takes) return 0;
    const room = this.#room(count);
    const notes = this.#notes;
    let n = notes?.put(pool, burst, from, from + room) ?? 0;
    if (n < room && notes?.empty === true) path.stats.countFullRing();
    else if (n < room) n += this.#fastEnqueue?.put(pool, burst, from + n, from + room) ?? 0;
    if (n < room && notes?.empty !== true) n += path.run(pool, burst, from + n, room - n);
    this.#giveSkipped();
    return n;
  }

  /** Submits up to `max` packets of the driver's, to buffers of `pool`. */
  fetch(pool: BufferPool, burst: PacketBurst, max: number): void {
    const wanted = pool.available(Math.min(this.#room(max), chainsPerBurst, burst.capacity));
    if (wanted <= 0 || !this.#takes) return;
    const working = burst.offloads === undefined ? this.#plain : this.#telling;
    const fast = this.#notes?.ready(pool) === true ? this.#notes : this.#fastDequeue;
    const n = fast?.take(pool, working, wanted) ?? 0;
    if (fast === undefined || (fast.blocked && n < wanted)) this.#dequeue?.submit(pool, working, wanted - n);
    this.#giveSkipped();
  }

  /** Asks the engine, and gives chains whose packets have arrived back to the driver. */
  poll(): void {
    this.#dma.poll();
    this.#settle();
  }

  /** Copies what is in flight to its end. */
  clear(): void {
    this.#finish();
  }

  /** Reports packets of the application's that have arrived. @returns how many, which is also `burst.count` */
  reportSent(burst: PacketBurst, max: number): number {
    const n = this.#packets.report(burst, max);
    burst.offloads?.flags.fill(0, 0, n);
    burst.offloads?.gsoType.fill(0, 0, n);
    burst.vlan?.fill(0, 0, n);
    return n;
  }

  /** Reports packets of the driver's that have arrived. @returns how many, which is also `burst.count` */
  reportTaken(burst: PacketBurst, max: number): number {
    const path = this.#dequeue;
    if (path === undefined) return this.#packets.report(burst, max);
    if (path.takeWaiting(burst, max) > 0) return burst.count;
    const said = burst.offloads ?? this.#said;
    const { says } = this.#packets;
    this.#packets.report(burst, Math.min(max, chainsPerBurst), said);
    return path.finish(burst, says ? said : undefined, max);
  }

  // What the data paths say.

  get copies(): CopySink {
    return this.#running.copies;
  }

  chains(): ChainBurst {
    return this.#running.chains.filling;
  }

  packet(burst: PacketBurst, i: number, chains: number, said?: PacketOffloads): void {
    const entry = this.#packets.hold(burst, i, chains + this.#skipped, said);
    this.#skipped = 0;
    if (!this.#dma.describe(this, entry)) this.#packets.arrived(entry);
  }

  singles(): SingleBurst {
    return this.#running.chains.fillingSingles;
  }

  holdSingles(count: number): void {
    this.#running.chains.holdSingles(count);
  }

  run(
    burst: PacketBurst,
    from: number,
    count: number,
    local: number,
    run: CopyRun,
    said?: PacketOffloads,
  ): boolean {
    const dma = this.#dma;
    if (!this.#findPairs(local, this.singles().window)) return false;
    run.pair = this.#pair;
    run.headers = this.#headerPair;
    run.headerBytes = this.#running.header;
    if (!dma.takesRun(count, run.notes(count))) return false;
    const entry = this.#packets.holdRun(burst, from, count, run.counts, said);
    dma.describeRun(this, entry, run, count);
    return true;
  }

  lend(job: Int32Array, local: number, window: number): boolean {
    if (!this.#findPairs(local, window)) return false;
    job[notesJob.dataNote] = noteWord(this.#pair, 0);
    job[notesJob.headerNote] = noteWord(this.#headerPair, this.#running.header);
    return this.#dma.lend(job);
  }

  noted(
    burst: PacketBurst,
    from: number,
    count: number,
    counts: Int32Array,
    copies: number,
    said?: PacketOffloads,
  ): void {
    this.#dma.described(this, this.#packets.holdRun(burst, from, count, counts, said), count, copies);
  }

  /** @returns false: whole runs are not taken now, or not between these memories */
  #findPairs(local: number, window: number): boolean {
    const { copies } = this.#running;
    const dma = this.#dma;
    const memory = copies.windowMemory(window);
    if (local < 0 || memory < 0 || this.#skipped > 0) return false;
    this.#pair = this.#writable ? dma.pair(local, memory) : dma.pair(memory, local);
    if (!this.#writable) return this.#pair >= 0;
    const headers = copies.headerMemory();
    this.#headerPair = headers < 0 ? -1 : dma.pair(headers, memory);
    return this.#pair >= 0 && this.#headerPair >= 0;
  }

  skip(chains: number): void {
    this.#skipped += chains;
  }

  complete(chains: ChainBurst, from: number, count: number): void {
    if (count > 0) this.#running.chains.hold(chains, from, count);
  }

  // What the engine says.

  isNext(entry: number): boolean {
    return this.#packets.isNext(entry);
  }

  completed(entry: number): void {
    this.#packets.arrived(entry);
  }

  completedRun(entry: number, count: number): void {
    this.#packets.arrivedRun(entry, count);
  }

  get #running(): Running {
    if (this.#ring === undefined) throw new TypeError('the ring does not run');
    return this.#ring;
  }

  /** How many of `count` packets there is room for. */
  #room(count: number): number {
    return Math.min(count, this.#packets.room, this.#dma.room);
  }

  /** Chains without a packet go back with the one in front of them; at once where there is none. */
  #giveSkipped(): void {
    const chains = this.#skipped;
    this.#skipped = 0;
    if (chains > 0 && !this.#packets.addChains(chains)) this.#giveBack(chains);
  }

  #finish(): void {
    this.#dma.quiesce();
    this.#settle();
  }

  #settle(): void {
    this.#giveBack(this.#packets.settle());
  }

  #giveBack(chains: number): void {
    const queue = this.#queue;
    if (chains === 0 || queue === undefined) return;
    const ring = this.#running;
    ring.chains.complete(queue, ring.memory, chains);
    if (queue.callNeeded()) ring.call();
  }
}
