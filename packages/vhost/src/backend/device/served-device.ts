import type { VioError } from '@vio/native';
import { type ControlCommand, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ, rarpFrame } from '@vio/net';
import { type QueueFault, ringFeatures } from '@vio/rings';
import type { InflightEntries } from '@vio/rings/internal';
import { VHOST_F_LOG_ALL, VHOST_USER_F_PROTOCOL_FEATURES, type VringAddress } from '../../wire/index.ts';
import { DeviceCommands } from '../control/device-commands.ts';
import type { DriverSettings } from '../control/driver-settings.ts';
import { DeviceLog } from '../migration/device-log.ts';
import type { LogArea } from '../migration/log-area.ts';
import type { DeviceIommu, IotlbChannel } from '../iommu/device-iommu.ts';
import { DeviceTranslations } from '../iommu/device-translations.ts';
import { Postcopy } from '../migration/postcopy.ts';
import type { DequeueOptions } from '../packets/dequeue-options.ts';
import { AsyncChannels } from '../async/async-channels.ts';
import { AttachedHandlers } from './attached-handlers.ts';
import type { ConfigChannel, DeviceConfig } from './device-config.ts';
import type { DeviceListener } from './device-listener.ts';
import type { DeviceTaps } from './device-taps.ts';
import { DeviceRings } from './device-rings.ts';
import type { DeviceShape } from './device-shape.ts';
import type { DriverMemory, MemoryOptions } from './driver-memory.ts';
import type { InflightBuffer } from './inflight-buffer.ts';
import { memoryFault } from './ring-faults.ts';
import { vhostError } from '../errors/vhost-error.ts';
import type { NotifierChannel, VdpaHost } from '../vdpa/vdpa-host.ts';
import { VdpaSession } from '../vdpa/vdpa-session.ts';
import type { VdpaDevice } from '../vdpa/vdpa-device.ts';
import { Vring } from './vring.ts';

/** How a device is served, as its application said. */
export interface ServingOptions {
  readonly dequeue?: DequeueOptions;
  readonly memory?: MemoryOptions;
  /** Its driver may be behind an I/O MMU. */
  readonly iommu?: boolean;
  /** Milliseconds that a page may take which follows a guest. */
  readonly postcopyTimeout?: number;
  /** What works on its rings, in the place of this process. */
  readonly vdpa?: VdpaDevice | undefined;
  /** Packets may be copied beside this thread. */
  readonly asyncCopy?: boolean;
}

/** What serves a device that no connection builds up, and has to hear of more than those. It is called in the middle of bursts, and never throws. */
export interface DeviceHost {
  /** A ring met an address without memory. True: there is more than was known, and the rings go on in it. */
  memoryMissed(): boolean;
  /** A command on the control queue was carried out, and is not answered yet. */
  commandDone(): void;
}

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
  /** Bytes, as the frontend announced in NET_SET_MTU; 0 when it did not. */
  mtu = 0;
  /** True between the callbacks newDevice and destroyDevice. */
  running = false;
  /** The connection is over. */
  closed = false;
  /** What the next burst of the driver's is to be, so that the network learns where it is now; undefined: nothing. */
  rarp: Uint8Array | undefined = undefined;
  /** What it says of itself. */
  readonly config: DeviceConfig;
  /** How its driver's memory is mapped. */
  readonly #memoryOptions: MemoryOptions;
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
  /** Called when rings begin to run or stop, the device stops, or ends: who sleeps looks again. */
  readonly changes = new Set<() => void>();
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
  #inflight: InflightBuffer | undefined;
  /** Where its rings were when the driver reset it, by number. */
  #leftAt: number[] = [];

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
    this.#rings = new DeviceRings(this, shape, dequeue, {
      changed: () => this.#changed(),
      execute: (command) => this.#commands.execute(command),
      failed: (error) => listener.failed(error),
      baseCorrected: (queue, said, base) => listener.baseCorrected(queue, said, base),
    });
    this.#translations = new DeviceTranslations(
      this,
      { changed: () => this.#changed(), failed: (error) => listener.failed(error) },
      iommu,
    );
    this.#commands = new DeviceCommands({
      shape,
      isReady: (pair) => this.#isReady(pair),
      command: (command) => listener.command(command),
      done: () => {
        this.#tell();
        this.host?.commandDone();
      },
      failed: (error) => listener.failed(error),
    });
    this.postcopy = new Postcopy(postcopyTimeout, (reason) => this.giveUp(reason));
    this.vdpa = vdpa === undefined ? undefined : new VdpaSession(vdpa, this.#vdpaHost());
  }

  /** What the driver has asked for by its control queue; as at first for one that has none. */
  get settings(): DriverSettings {
    return this.#commands.settings;
  }

  /** Present while its driver's addresses are I/O virtual ones. */
  get iommu(): DeviceIommu | undefined {
    return this.#translations.iommu;
  }

  /** How memory is mapped that is announced now. */
  get memoryOptions(): MemoryOptions {
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

  /** Queue pairs from the first on that are enabled, and in use as far as a control queue says so; at least 1. */
  get pairsInUse(): number {
    const { vrings } = this;
    let pairs = 0;
    while (2 * pairs + 1 < vrings.length && vrings[2 * pairs].told && vrings[2 * pairs + 1].told) pairs++;
    return Math.max(1, pairs);
  }

  /** True when a ring stopped by itself. */
  get anyBroken(): boolean {
    return this.vrings.some((vring) => vring.fault !== undefined);
  }

  /** True while a ring runs. */
  get anyRunning(): boolean {
    return this.vrings.some((vring) => vring.running);
  }

  /** The ring of that number, made on first use. */
  vring(index: number): Vring {
    for (let i = this.vrings.length; i <= index; i++) {
      const vring = new Vring(i, this.#listener);
      vring.inflight = this.#inflight;
      vring.translation = this.iommu?.iotlb;
      vring.leftAt = this.#leftAt[i];
      vring.async = this.async.of(i);
      vring.setLog(this.log.active(this.features));
      if (this.#shape.raw) vring.raw = this.#rings.raw(vring);
      this.vrings.push(vring);
    }
    return this.vrings[index];
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
    this.#relog();
    if (before === undefined) return;
    this.#rings.forget(before.log.region);
    before[Symbol.dispose]();
  }

  /** Where rings that begin to run from now on note down what they have in flight. */
  setInflight(inflight: InflightBuffer | undefined): void {
    this.#inflight?.[Symbol.dispose]();
    this.#inflight = inflight;
    for (const vring of this.vrings) vring.inflight = inflight;
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
      this.#relog();
      this.#listener.featuresChanged(features);
      return;
    }
    this.#rings.featuresSaid = true;
    if (changed === 0n) return;
    if (this.running && this.vrings.some((vring) => vring.running && vring.enabled)) {
      throw vhostError('FEATURES', 'the features may not change while the device runs');
    }
    this.#destroy();
    for (const vring of this.vrings) {
      vring.pause();
      vring.distrustBase();
    }
    this.features = features;
    this.#relog();
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
      this.#tell();
    }
  }

  /** A ring stops, and with it the device. @returns the ring's base */
  stopVring(vring: Vring): number {
    this.#destroy();
    const { ran } = vring;
    const base = vring.stop(this.features);
    if (ran) this.#forgetInflight(vring);
    return base;
  }

  /**
   * Where a ring lies, and its part in the log: nothing else changes for a guest that is to be moved. It goes on there at
   * `update`; one that moved, or was disabled before, may be another one.
   */
  place(vring: Vring, addresses: VringAddress): void {
    const before = vring.addresses;
    if (before !== undefined && vring.running && !vring.rebased && onlyLogged(before, addresses)) {
      vring.addresses = addresses;
      vring.setLog(this.log.active(this.features));
      return;
    }
    vring.pause();
    vring.addresses = addresses;
    if (before === undefined || (vring.enabled && before.descriptors === addresses.descriptors)) return;
    vring.distrustBase();
    // A driver that begins anew has asked for nothing yet (user-mode Linux has no message for a reset).
    if (vring.index === this.controlQueue) this.#commands.forget();
  }

  /** A ring that was only disabled is set up anew, and runs again when it is kicked off again. */
  startOver(vring: Vring): void {
    vring.pause();
    vring.distrustBase();
    vring.started = false;
    this.#forgetInflight(vring);
  }

  /** SEND_RARP: the network is to be told where an address is now. */
  announce(mac: string): void {
    this.rarp = rarpFrame(mac);
    this.#changed();
  }

  /** True when there is a burst to be had without a packet of the driver's. */
  get announces(): boolean {
    return (
      this.rarp !== undefined &&
      this.vrings.some(({ dequeue, enabled, inUse }) => dequeue !== undefined && enabled && inUse)
    );
  }

  /** Where a ring goes on from the next `update` on, as if its frontend had said so. */
  rebase(vring: Vring, base: number): void {
    vring.pause();
    vring.sayBase(base);
  }

  /** What its driver has asked for by its control queue while another process served it. Rings follow at the next `update`. */
  recall(commands: readonly ControlCommand[]): void {
    this.#commands.recall(commands);
  }

  /** A ring's journal by its entries, as it is now; undefined: it keeps none. @throws VioError VIO_VHOST_INFLIGHT */
  inflightEntries({ index, size }: Vring): InflightEntries | undefined {
    if (size === 0) return undefined;
    return this.#inflight?.entries(index, ringFeatures(this.features).format, size);
  }

  /** Everything as at first. */
  reset(): void {
    this.#leftAt = [];
    this.#reset();
  }

  /**
   * The driver has reset the device: everything as at first, but the frontend may still ask where the rings were. QEMU up to 7.2
   * does so after it has told of the reset, when a guest's link goes down, it is paused, or moves.
   */
  resetByDriver(): void {
    this.#destroy();
    const leftAt = this.vrings.map((vring) => vring.stop(this.features));
    this.#reset();
    this.#leftAt = leftAt;
  }

  #reset(): void {
    this.#destroy();
    this.attached.reset();
    for (const vring of this.vrings) vring.close();
    this.vrings.length = 0;
    this.setInflight(undefined);
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
    this.#destroy();
    this.#changed();
    this.released = this.vdpa.end().then(() => this.#release());
  }

  #release(): void {
    this.reset();
    this.attached.end();
    this.#changed();
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
    this.#changed();
    this.#listener.broken(vring.index, reason);
  }

  /** Breaks all rings when the driver has taken its memory away. */
  lookAtMemory(): void {
    if (this.log.faulted) this.giveUp(vhostError('LOG', 'the log was taken away: its file was truncated'));
    if (this.memory?.faulted !== true && this.#inflight?.faulted !== true) return;
    for (const vring of this.vrings) if (vring.running) this.break(vring, memoryFault);
  }

  /** The connection cannot go on; it ends soon. */
  giveUp(reason: VioError): void {
    this.#listener.giveUp(reason);
  }

  #relog(): void {
    const log = this.log.active(this.features);
    for (const vring of this.vrings) vring.setLog(log);
  }

  #changed(): void {
    for (const change of Array.from(this.changes)) change();
  }

  #forgetInflight({ index, size }: Vring): void {
    this.#inflight?.stopped(index, ringFeatures(this.features).format, size);
  }

  #destroy(): void {
    if (!this.running) return;
    this.running = false;
    this.#changed();
    this.#listener.destroyDevice();
  }

  /** The same device as its vDPA device's session needs it. */
  #vdpaHost(): VdpaHost {
    const { vid, vrings, log } = this;
    const now = {
      features: () => this.features,
      protocolFeatures: () => this.protocolFeatures,
      memory: () => this.memory,
      mayRun: () => this.#rings.mayRun,
    };
    return {
      vid,
      vrings,
      log,
      get features() {
        return now.features();
      },
      get protocolFeatures() {
        return now.protocolFeatures();
      },
      get memory() {
        return now.memory();
      },
      get mayRun() {
        return now.mayRun();
      },
      settleBase: (vring) => this.#rings.settleBase(vring),
      relay: (vring) => this.#rings.relay(vring),
      tell: () => this.#tell(),
      configChanged: () => void this.config.changed(),
      giveUp: (reason) => this.giveUp(reason),
    };
  }

  #isReady(pair: number): boolean {
    const { vrings } = this;
    return 2 * pair + 1 < vrings.length && vrings[2 * pair].ready && vrings[2 * pair + 1].ready;
  }

  /** With a control queue the driver says there how many of its rings are in use. */
  #useRings(): void {
    const control = this.controlQueue;
    const { queuePairs } = this.settings;
    for (const vring of this.vrings) vring.inUse = control === undefined || vring.index < 2 * queuePairs;
  }

  #tell(): void {
    this.#useRings();
    const told = this.vrings.filter(
      (vring) => vring.live !== vring.told && vring.index !== this.controlQueue,
    );
    for (const vring of told) {
      vring.told = vring.live;
      this.settings.version++;
      this.#changed();
      this.#listener.vringStateChanged(vring.index, vring.told);
    }
    const { firstRings } = this.#shape;
    if (this.running || this.vrings.length < firstRings) return;
    if (!this.vrings.slice(0, firstRings).every(({ told: runs }) => runs)) return;
    this.running = true;
    this.#listener.newDevice();
  }
}

/** The same place, but for what of it is logged. */
function onlyLogged(before: VringAddress, after: VringAddress): boolean {
  const same = ({ descriptors, driver, device }: VringAddress): boolean =>
    descriptors === after.descriptors && driver === after.driver && device === after.device;
  return same(before) && (before.flags !== after.flags || before.log !== after.log);
}
