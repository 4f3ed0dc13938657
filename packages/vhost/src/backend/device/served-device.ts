import type { VioError } from '@vio/native';
import { type ControlCommand, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ } from '@vio/net';
import { rarpFrame } from '@vio/net/internal';
import type { QueueFault } from '@vio/rings';
import { VHOST_F_LOG_ALL, VHOST_USER_F_PROTOCOL_FEATURES } from '../../wire/index.ts';
import { AsyncChannels } from '../async/async-channels.ts';
import { DeviceCommands } from '../control/device-commands.ts';
import type { CommandedSettings } from '../control/driver-settings.ts';
import { vhostError } from '../errors/vhost-error.ts';
import type { DeviceIommu, IotlbChannel } from '../iommu/device-iommu.ts';
import { DeviceTranslations } from '../iommu/device-translations.ts';
import { DeviceLog } from '../migration/device-log.ts';
import type { LogArea } from '../migration/log-area.ts';
import { Postcopy } from '../migration/postcopy.ts';
import type { ConfigChannel, DeviceConfigSpace } from '../type/device-config.ts';
import type { DeviceShape } from '../type/device-shape.ts';
import type { NotifierChannel } from '../vdpa/vdpa-host.ts';
import { VdpaSession } from '../vdpa/vdpa-session.ts';
import type { DriverMemory, MappingOptions } from '../vring/driver-memory.ts';
import { memoryFault } from '../vring/ring-faults.ts';
import type { Vring } from '../vring/vring.ts';
import { AttachedHandlers } from './attached-handlers.ts';
import { DeviceLife } from './device-life.ts';
import type { DeviceListener } from './device-listener.ts';
import { DeviceRings } from './device-rings.ts';
import type { DeviceTaps } from './device-taps.ts';
import { RingSetup } from './ring-setup.ts';
import { ServedVdpaHost } from './served-vdpa-host.ts';
import type { DeviceHost, ServingOptions } from './serving-options.ts';

/** Bursts between two looks at whether the driver took its memory away; a power of two. */
const burstsPerLook = 64;

/**
 * A device as the message handlers build it up and change it: memory, features, rings and the order in which they begin to run
 * and stop. Applications see it as a `VhostDevice`, which changes nothing of this.
 */
export class ServedDevice {
  /** Number of the device in this process, from 0. */
  readonly vid: number;
  /** Path of the socket. */
  readonly ifname: string;
  /** Negotiated device features. */
  features = 0n;
  protocolFeatures = 0n;
  /** Device status as the frontend set it (virtio 1.4, 2.1). */
  status = 0;
  /** Bytes, as the frontend announced in NET_SET_MTU; undefined: it did not. */
  mtu: number | undefined = undefined;
  /** The connection is over. */
  closed = false;
  /** What the next burst of the driver's is to be, so that the network learns where it is now; undefined: nothing. */
  rarp: Uint8Array | undefined = undefined;
  /** What it says of itself. */
  readonly config: DeviceConfigSpace;
  /** How its driver's memory is mapped. */
  readonly #memoryOptions: MappingOptions;
  /** Where its driver's memory may be until it has followed it here. */
  readonly postcopy: Postcopy;
  /** Where it is marked what is written to the driver's memory. */
  readonly log = new DeviceLog();
  /** By number; there are as many as messages have named. */
  readonly vrings: Vring[] = [];
  /** What copies packets beside this thread. */
  readonly async: AsyncChannels;
  /** Undefined, and free of cost, while nobody looks at the packets. */
  taps: DeviceTaps | undefined;
  /** What works on its rings, if that is not this process. */
  readonly vdpa: VdpaSession | undefined;
  /** Resolves when the device is given back, after `close`. */
  released: Promise<void> = Promise.resolve();
  /** Undefined: a connection. */
  host: DeviceHost | undefined;
  readonly #listener: DeviceListener;
  readonly #shape: DeviceShape;
  readonly #rings: DeviceRings;
  readonly #translations: DeviceTranslations;
  readonly #commands: DeviceCommands;
  /** What the application has attached to it. */
  readonly attached = new AttachedHandlers();
  readonly #life: DeviceLife;
  /** Its rings, as messages set them up. */
  readonly setup: RingSetup;
  #bursts = 0;

  constructor(
    vid: number,
    ifname: string,
    listener: DeviceListener,
    shape: DeviceShape,
    {
      dequeue = {},
      memory = {},
      iommu = false,
      postcopyTimeout = 0,
      vdpa,
      asyncCopy = false,
    }: ServingOptions = {},
  ) {
    this.vid = vid;
    this.ifname = ifname;
    this.#listener = listener;
    this.#shape = shape;
    this.config = shape.config;
    this.async = new AsyncChannels(asyncCopy);
    this.#memoryOptions = memory;
    this.#life = new DeviceLife(this, shape, listener);
    this.setup = new RingSetup(this, listener, {
      raw: (vring) => (shape.raw ? this.#rings.raw(vring) : undefined),
      stopping: () => this.#life.destroy(),
      controlBegins: () => this.#commands.forget(),
    });
    this.#rings = new DeviceRings(this, shape, dequeue, {
      changed: () => this.#life.changed(),
      execute: (command) => this.#commands.execute(command),
      failed: (error) => listener.failed(error),
      baseCorrected: (queue, said, base) => listener.baseCorrected(queue, said, base),
    });
    this.#translations = new DeviceTranslations(
      this,
      { changed: () => this.#life.changed(), failed: (error) => listener.failed(error) },
      iommu,
    );
    this.#commands = new DeviceCommands({
      shape,
      isReady: (pair) => this.#life.isReady(pair),
      command: (command) => listener.command(command),
      done: () => {
        this.#life.tell();
        this.host?.commandDone();
      },
      failed: (error) => listener.failed(error),
    });
    this.postcopy = new Postcopy(postcopyTimeout, (reason) => this.giveUp(reason));
    this.vdpa =
      vdpa === undefined
        ? undefined
        : new VdpaSession(vdpa, new ServedVdpaHost(this, this.#rings, this.#life));
  }

  /** What the driver has asked for by its control queue; as at first for one that has none. */
  get settings(): CommandedSettings {
    return this.#commands.settings;
  }

  /** Present while its driver's addresses are I/O virtual ones. */
  get iommu(): DeviceIommu | undefined {
    return this.#translations.iommu;
  }

  /** How memory is mapped that is announced now. */
  get memoryOptions(): MappingOptions {
    const { pages } = this.postcopy;
    return pages === undefined ? this.#memoryOptions : { pages };
  }

  /** The driver's memory, once it was announced. */
  get memory(): DriverMemory | undefined {
    return this.#rings.memory;
  }

  /** Which ring is the control queue (virtio 1.4, section 5.1.2); undefined: there is none. */
  get controlQueue(): number | undefined {
    if (this.#shape.raw || (this.features & VIRTIO_NET_F_CTRL_VQ) === 0n) return undefined;
    return (this.features & VIRTIO_NET_F_MQ) === 0n ? 2 : 2 * this.#shape.queuePairs;
  }

  /** True between the callbacks newDevice and destroyDevice. */
  get running(): boolean {
    return this.#life.running;
  }

  /** Called when rings begin to run or stop, the device stops, or ends: who sleeps looks again. */
  get changes(): Set<() => void> {
    return this.#life.changes;
  }

  /** Queue pairs from the first on that are enabled, and in use as far as a control queue says so; at least 1. */
  get pairsInUse(): number {
    return this.#life.pairsInUse;
  }

  /** True when a ring stopped by itself. */
  get anyBroken(): boolean {
    return this.vrings.some((vring) => vring.fault !== undefined);
  }

  /** True while a ring runs. */
  get anyRunning(): boolean {
    return this.vrings.some((vring) => vring.running);
  }

  /** Replaces the driver's memory; running rings go on in the new one at `update`. */
  setMemory(memory: DriverMemory): void {
    for (const vring of this.vrings) vring.pause();
    this.memory?.replaceBy(memory);
    this.#rings.setMemory(memory);
    this.#translations.setMemory(memory.map);
  }

  /** The way back to the frontend. Takes it. */
  setChannel(channel: ConfigChannel & IotlbChannel & NotifierChannel): void {
    this.vdpa?.setChannel(channel);
    this.config.setChannel(channel);
    this.#translations.setChannel(channel);
  }

  /** The log to mark in while LOG_ALL is on; undefined: none. Takes it. */
  setLog(area: LogArea | undefined): void {
    const before = this.log.replace(area);
    this.setup.relog();
    if (before === undefined) return;
    this.#rings.forget(before.log.region);
    before[Symbol.dispose]();
  }

  /**
   * The features the frontend accepted. LOG_ALL alone may change at any time, and disturbs nothing. Rings that run already,
   * because they were started before their device was complete or because they are only disabled, go on with the new ones at
   * `update`.
   * @throws VioError VIO_VHOST_FEATURES when they change while the device runs
   */
  setFeatures(accepted: bigint): void {
    const none = (accepted & ~(VHOST_F_LOG_ALL | VHOST_USER_F_PROTOCOL_FEATURES)) === 0n;
    const { features: unsaid = 0n } = this.#shape.unsaid;
    this.#rings.alwaysCalls = none && unsaid !== 0n;
    const features = none ? accepted | unsaid : accepted;
    const changed = features ^ this.features;
    if (changed === VHOST_F_LOG_ALL && this.#rings.featuresSaid) {
      this.features = features;
      this.setup.relog();
      this.#listener.featuresChanged(features);
      return;
    }
    this.#rings.featuresSaid = true;
    if (changed === 0n) return;
    if (this.running && this.vrings.some((vring) => vring.running && vring.enabled)) {
      throw vhostError('FEATURES', 'the features may not change while the device runs');
    }
    this.#life.destroy();
    for (const vring of this.vrings) {
      vring.pause();
      vring.distrustBase();
    }
    this.features = features;
    this.setup.relog();
    this.#translations.begin();
    this.#listener.featuresChanged(features);
  }

  /**
   * Runs what has become ready, and tells what changed, in DPDK's order: the rings, then the device, which needs its first pair.
   * @throws VioError VIO_VHOST_RING, VIO_RING_* when a ring cannot run: it waits for other addresses, the rest goes on
   */
  update(): void {
    this.#rings.enable();
    try {
      this.#rings.run();
    } finally {
      this.#life.tell();
    }
  }

  /** SEND_RARP: the network is to be told where an address is now. */
  announce(mac: string): void {
    this.rarp = rarpFrame(mac);
    this.#life.changed();
  }

  /** True when there is a burst to be had without a packet of the driver's. */
  get announces(): boolean {
    return (
      this.rarp !== undefined &&
      this.vrings.some(({ dequeue, enabled, inUse }) => dequeue !== undefined && enabled && inUse)
    );
  }

  /** What its driver has asked for by its control queue while another process served it. Rings follow at the next `update`. */
  recall(commands: readonly ControlCommand[]): void {
    this.#commands.recall(commands);
  }

  /** Everything as at first. */
  reset(): void {
    this.#reset([]);
  }

  /**
   * The driver has reset the device: everything as at first, but the frontend may still ask where the rings were. QEMU up to 7.2
   * does so after it has told of the reset, when a guest's link goes down, it is paused, or moves.
   */
  resetByDriver(): void {
    this.#life.destroy();
    this.#reset(this.setup.stopAll());
  }

  #reset(leftAt: readonly number[]): void {
    this.#life.destroy();
    this.attached.reset();
    this.setup.reset(leftAt);
    this.setLog(undefined);
    this.log.signal = undefined;
    this.#translations.reset();
    this.status = 0;
    this.#commands.forget();
  }

  /** The connection is over: gives everything back. */
  close(): void {
    this.closed = true;
    if (this.vdpa === undefined) return this.#release();
    // What the device works on stays until it has let go.
    this.#life.destroy();
    this.#life.changed();
    this.released = this.vdpa.end().then(() => this.#release());
  }

  #release(): void {
    this.reset();
    this.attached.end();
    this.#life.changed();
    this.#translations[Symbol.dispose]();
    this.postcopy.end();
    this.config[Symbol.dispose]();
    this.memory?.[Symbol.dispose]();
    this.#rings.setMemory(undefined);
  }

  /** A ring stops because of what its driver wrote; the others go on. */
  break(vring: Vring, fault: QueueFault): void {
    if (fault.code === 'ADDRESS_UNMAPPED' && this.host?.memoryMissed() === true) return;
    const reason = this.memory?.faulted === true ? memoryFault : fault;
    vring.break(reason);
    this.#life.changed();
    this.#listener.broken(vring.index, reason);
  }

  /** After a burst: now and then, breaks all rings when the driver has taken its memory away. */
  burstDone(): void {
    if ((++this.#bursts & (burstsPerLook - 1)) === 0) this.lookAtMemory();
  }

  /** Breaks all rings when the driver has taken its memory away. */
  lookAtMemory(): void {
    if (this.log.faulted) this.giveUp(vhostError('LOG', 'the log was taken away: its file was truncated'));
    if (this.memory?.faulted !== true && !this.setup.inflightFaulted) return;
    for (const vring of this.vrings) if (vring.running) this.break(vring, memoryFault);
  }

  /** The connection cannot go on; it ends soon. */
  giveUp(reason: VioError): void {
    this.#listener.giveUp(reason);
  }
}
