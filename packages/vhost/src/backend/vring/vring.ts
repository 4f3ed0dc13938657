import type { EventFd } from '@vio/native';
import { type ControlCommand, QueueStats, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { HeaderCodec, hasRxOffloads, hasTxOffloads, headerSize } from '@vio/net/internal';
import {
  type DeviceQueue,
  type IndirectDirection,
  type QueueFault,
  freshPackedBase,
  packedBaseFromRing,
  ringFeatures,
} from '@vio/rings';
import type { DescriptorWords, DirtyLog, InflightEntries, Iotlb } from '@vio/rings/internal';
import type { VringAddress } from '../../wire/index.ts';
import type { AsyncQueue, AsyncRing } from '../async/async-queue.ts';
import { ControlService } from '../control/control-service.ts';
import type { BurstCopier } from '../packets/burst-copier.ts';
import { DequeuePath } from '../packets/dequeue.ts';
import type { DequeueOptions } from '../packets/dequeue-options.ts';
import { EnqueuePath } from '../packets/enqueue.ts';
import type { ServedRing } from '../raw/raw-vring.ts';
import type { DriverMemory } from './driver-memory.ts';
import { type InflightBuffer, openDeviceQueue } from './inflight-buffer.ts';
import { type CallHooks, RingCalls } from './ring-calls.ts';
import { RingKicks } from './ring-kicks.ts';
import { RingMarking, type MarkedPlace } from './ring-marking.ts';
import { bothHalves, locateParts, partsOf, startOf } from './ring-parts.ts';

/** What became of the base that a frontend gave a packed ring, see `Vring.settleBase`. */
export type SettledBase = 'kept' | 'corrected' | 'unknown';

/** What the frontend has said of one virtqueue, and its data path once it is complete. */
export class Vring {
  readonly index: number;
  /** Descriptors; 0: not said yet. */
  size = 0;
  base: number | undefined;
  /** Where it was before the driver reset the device: what GET_VRING_BASE is answered until it is set up anew. */
  leftAt: number | undefined;
  addresses: VringAddress | undefined;
  /** What the driver kicks it with, and who is woken. */
  readonly kicks = new RingKicks();
  /** What the driver is called by. */
  readonly calls: RingCalls;
  err: EventFd | undefined;
  /** A kick fd (or the news that there is none) has come: the ring may run. */
  started = false;
  /** What SET_VRING_ENABLE said last; undefined: nothing yet. */
  asked: boolean | undefined;
  /** Whether it moves packets, see `VhostDevice.update`. */
  enabled = false;
  /** It has run since it was last stopped, and did not break. */
  ran = false;
  /** It is disabled, and must not be touched, see `VhostDevice.update`. */
  atRest = false;
  /** Why it stopped by itself; it stays so until the frontend sets it up anew. */
  fault: QueueFault | undefined;
  /** What was last told of `live`. */
  told = false;
  /** Where the ring notes down what it has in flight; undefined: nowhere. Looked at when it begins to run. */
  inflight: InflightBuffer | undefined;
  /** What its application notes down there by itself, since it runs; undefined: nothing yet. */
  ownEntries: InflightEntries | undefined;
  /** From the first time it runs on; undefined before. */
  stats: QueueStats | undefined;
  /** Where its addresses lead, behind an I/O MMU. Looked at when it begins to run. */
  translation: Iotlb | undefined;
  /** It stopped, or broke, for want of a translation, and goes on when there is one. */
  awaitsTranslation = false;
  /** Exactly one of them while the ring runs: even rings receive, odd ones transmit (seen from the driver). */
  enqueue: EnqueuePath | undefined;
  dequeue: DequeuePath | undefined;
  /** Copies beside this thread, on the same queue; it stays until its application unregisters it. */
  async: AsyncQueue | undefined;
  /** What it is told when it comes while the ring runs. */
  #asyncRing: AsyncRing | undefined;
  /** Instead of those, while the control queue runs. */
  control: ControlService | undefined;
  /** Instead of all of those, in a device whose rings the application serves; it stays. */
  raw: ServedRing | undefined;
  /** A vDPA device works on it, which is not this side's to touch then. */
  lent = false;
  /** False while the driver's control queue says that this ring's pair is not in use. */
  inUse = true;
  /** The base is what the frontend said, or has to be looked at for another reason, and not where this side stopped. */
  #baseSaid = true;

  readonly #marking = new RingMarking();
  /** Where the ring lies that runs. */
  #place: MarkedPlace | undefined;

  /** The application wants to be kicked, see `VhostDevice.enableGuestNotification`. */
  #notifies = false;
  /** How many sleep until the driver kicks. */
  #sleepers = 0;

  constructor(index: number, hooks: CallHooks) {
    this.index = index;
    this.calls = new RingCalls(index, hooks);
  }

  /** True when the frontend has said everything a running ring needs. */
  get ready(): boolean {
    return this.started && this.size > 0 && this.addresses !== undefined;
  }

  get running(): boolean {
    return this.queue !== undefined || this.lent;
  }

  /** Its device side while it runs, else undefined. */
  get queue(): DeviceQueue | undefined {
    return (this.enqueue ?? this.dequeue ?? this.control ?? this.raw)?.queue;
  }

  /** Where its descriptors lie while it runs. */
  get descriptorWords(): DescriptorWords | undefined {
    if (!this.running || this.#place === undefined) return undefined;
    const { memory, addresses } = this.#place;
    const { window, offset } = addresses.descriptors;
    return { words: memory.windows[window].region.i32, start: offset / 4 };
  }

  /** True when the frontend has said where it goes on, since it began to run. */
  get rebased(): boolean {
    return this.#baseSaid;
  }

  /** True when it runs, or ran until it broke, and is enabled and in use. */
  get live(): boolean {
    return this.enabled && this.inUse && (this.running || this.fault !== undefined || this.awaitsTranslation);
  }

  /** Builds the data path. @throws VioError VIO_VHOST_RING when a part of the ring is not in the driver's memory */
  run(memory: DriverMemory, copier: BurstCopier, features: bigint, dequeue: DequeueOptions): void {
    // DPDK's frontend writes wrong direction flags into packed indirect tables: the queue's direction decides.
    const queue = this.#open(memory, features, this.index % 2 === 0 ? 'writable' : 'readable');
    if (this.#kicksWanted) queue.armKick();
    else queue.disarmKick();
    const header = headerSize(features);
    this.stats ??= new QueueStats();
    const { stats } = this;
    const mergeable = (features & VIRTIO_NET_F_MRG_RXBUF) !== 0n;
    let codec: HeaderCodec | undefined;
    if (this.index % 2 === 0) {
      codec = hasRxOffloads(features) ? HeaderCodec.received(features) : undefined;
      this.enqueue = new EnqueuePath(queue, copier, memory.map, header, mergeable, stats, codec);
    } else {
      codec = hasTxOffloads(features) ? HeaderCodec.sent(features) : undefined;
      this.dequeue = new DequeuePath(queue, copier, header, stats, codec, dequeue);
    }
    const call = (): void => this.calls.signal();
    this.#asyncRing = { queue, copier, memory: memory.map, header, mergeable, stats, codec, dequeue, call };
    this.async?.start(this.#asyncRing);
    this.calls.resume(queue);
  }

  /** Packets may be copied beside this thread from now on; undefined: they are not any more. */
  setAsync(channel: AsyncQueue | undefined): void {
    this.async = channel;
    const queue = (this.enqueue ?? this.dequeue)?.queue;
    if (this.#asyncRing !== undefined && queue !== undefined) channel?.start({ ...this.#asyncRing, queue });
  }

  /** Runs as the control queue. @throws as `run` */
  runControl(
    memory: DriverMemory,
    features: bigint,
    execute: (command: ControlCommand) => boolean,
    onBroken: (fault: QueueFault) => void,
  ): void {
    const queue = this.#open(memory, features, 'flags');
    this.control = new ControlService({
      queue,
      memory: memory.map,
      features,
      onKick: (serve) => this.kicks.listen(serve),
      call: () => this.calls.signal(),
      execute,
      onBroken,
    });
    this.calls.resume(queue);
  }

  /** Runs as a ring that the application serves. @throws as `run` */
  runRaw(
    ring: ServedRing,
    memory: DriverMemory,
    features: bigint,
    direction: IndirectDirection = 'flags',
  ): void {
    const queue = this.#open(memory, features, direction);
    ring.start(queue, memory.map);
    this.calls.resume(queue);
  }

  /** Marks there from now on what is written for the driver, or (undefined) nowhere. A ring that runs goes on as it is. */
  setLog(log: DirtyLog | undefined): void {
    this.#marking.log = log;
    const { queue } = this;
    if (queue === undefined || this.#place === undefined) return;
    const other = this.#marked(queue, this.#place);
    (this.enqueue ?? this.dequeue ?? this.control ?? this.raw)?.work(other);
    this.async?.work(other);
  }

  /** Marks bytes of the used ring, or of the packed ring, as written; nothing where there is no log. */
  markUsed(offset: number, bytes: number): void {
    this.#marking.markUsed(offset, bytes);
  }

  /** Its counters begin at 0 again. */
  resetStats(): void {
    this.calls.count = 0;
    this.stats?.reset();
  }

  /**
   * Asks the driver for kicks, or for silence; so it stays when the ring is set up anew. Whoever sleeps asks besides.
   * @returns true if buffers are waiting: no kick will come for those
   */
  wantKicks(wanted: boolean): boolean {
    this.#notifies = wanted;
    return this.#askForKicks();
  }

  /** Somebody sleeps until there are buffers. @returns true if there are some: it should not */
  sleep(): boolean {
    this.#sleepers++;
    return this.#askForKicks();
  }

  /** Ends a `sleep`. */
  awake(): void {
    this.#sleepers--;
    this.#askForKicks();
  }

  get #kicksWanted(): boolean {
    return this.#notifies || this.#sleepers > 0;
  }

  #askForKicks(): boolean {
    const queue = (this.enqueue ?? this.dequeue)?.queue;
    if (queue === undefined) return false;
    // What waits for a translation is no reason to look again: its coming is.
    if (this.#kicksWanted) return (queue.armKick() && !queue.missing) || this.dequeue?.waits === true;
    queue.disarmKick();
    return false;
  }

  /** Takes the data path away, and remembers where it was. */
  pause(): void {
    this.async?.stop();
    this.#asyncRing = undefined;
    const { queue } = this;
    if (queue !== undefined) {
      this.base = queue.base();
      this.#baseSaid = false;
    }
    this.#marking.stop();
    this.lent = false;
    this.control?.stop();
    this.raw?.stop();
    this.dequeue?.dispose();
    this.ownEntries = undefined;
    this.enqueue = undefined;
    this.dequeue = undefined;
    this.control = undefined;
    this.fault = undefined;
    this.awaitsTranslation = false;
  }

  /** The driver wrote nonsense: the ring stops, the others go on. */
  break(fault: QueueFault): void {
    this.pause();
    this.ran = false;
    this.fault = fault;
    this.err?.signal();
  }

  /** Translations from one address to another are gone: a ring that lies there stops, others look theirs up again. */
  untranslate(from: number, end: number, features: bigint): void {
    if (!this.running) return;
    const lies = partsOf(this, features).some(
      ([, address, bytes]) => address < end && address + bytes > from,
    );
    if (!lies) {
      // What is copied beside this thread may be going there.
      this.async?.clear();
      return this.queue?.translationsChanged();
    }
    this.pause();
    this.awaitsTranslation = true;
  }

  /** Some have come: whatever waits looks again. */
  translationsChanged(): void {
    this.queue?.translationsChanged();
    this.control?.lookAgain();
  }

  /** SET_VRING_BASE. */
  sayBase(base: number): void {
    this.base = base;
    this.#baseSaid = true;
  }

  /** The ring or its features are not those it ran with: where it was is to be looked at again. */
  distrustBase(): void {
    this.#baseSaid = true;
  }

  /**
   * Before a ring runs: a packed one that contradicts the base its frontend gave goes on where it says itself, if it does.
   * @throws as `run`
   */
  settleBase(memory: DriverMemory, features: bigint): SettledBase {
    const { format, inOrder } = ringFeatures(features);
    if (format === 'split' || !this.#baseSaid) return 'kept';
    const { descriptors } = locateParts(this, memory, features);
    const said = this.base === undefined ? freshPackedBase : bothHalves(this.base);
    // A predecessor's notes say where it was, and are right.
    if (this.inflight?.resumes(this.index, format, this.size) === true) return 'kept';
    const found = packedBaseFromRing(memory.map, descriptors, this.size, inOrder, said);
    if (found === undefined) return 'unknown';
    this.base = found;
    return found === said ? 'kept' : 'corrected';
  }

  /** GET_VRING_BASE: the ring stops and forgets its kick and call. @returns where it stopped */
  stop(features = 0n): number {
    this.pause();
    this.ran = false;
    this.started = false;
    this.kicks.replace(undefined);
    this.calls.replace(undefined);
    return this.base ?? this.leftAt ?? (ringFeatures(features).format === 'packed' ? freshPackedBase : 0);
  }

  close(): void {
    this.stop();
    this.err?.close();
    this.err = undefined;
  }

  #open(memory: DriverMemory, features: bigint, indirectDirection: IndirectDirection): DeviceQueue {
    const ring = ringFeatures(features);
    const addresses = locateParts(this, memory, features);
    const queue = openDeviceQueue(this.inflight, this.index, {
      memory: memory.map,
      addresses,
      size: this.size,
      features: ring,
      translation: this.translation,
      base: startOf(this, memory, addresses, ring.format === 'packed'),
      indirectDirection,
    });
    this.ran = true;
    this.#baseSaid = false;
    this.#place = { memory: memory.map, addresses };
    this.#marking.stop();
    return this.#marked(queue, this.#place);
  }

  #marked(queue: DeviceQueue, place: MarkedPlace): DeviceQueue {
    const { addresses, translation, raw } = this;
    return this.#marking.around(queue, place, {
      addresses,
      translated: translation !== undefined,
      raw: raw !== undefined,
    });
  }
}
