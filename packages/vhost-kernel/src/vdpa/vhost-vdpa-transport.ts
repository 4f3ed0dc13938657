import type { VioError, WaitOptions } from '@vio/native';
import { type OptionNames, checkOptions, wholePages } from '@vio/native/internal';
import {
  type ConfigSpace,
  type ControlChannel,
  type DeviceConfig,
  type DeviceControlQueue,
  type Notifier,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_STATUS,
} from '@vio/net';
import { STATUS_DRIVER_OK, configBytes, decodeConfigSpace, wholePairs } from '@vio/net/internal';
import { VIRTIO_F_ACCESS_PLATFORM, ringFeatures } from '@vio/rings';
import type { SharedRegion, VhostStatus, VhostTransport, VringUserAddresses } from '@vio/vhost';
import { KernelMemory } from '../vhost-net/kernel-memory.ts';
import { VdpaControl } from './control-queue.ts';
import { VdpaIotlb } from './iotlb.ts';
import { VdpaNode, type VdpaFacts } from './vdpa-node.ts';
import * as errors from './vdpa-errors.ts';
import * as vdpa from './vdpa-ioctls.ts';

/** The vDPA device that is opened. */
export interface VhostVdpaOptions {
  /** As `/dev/vhost-vdpa-0`. */
  readonly path: string;
  /** A descriptor of the device, which stays the caller's; undefined: `path` is opened. */
  readonly device?: number | undefined;
  /** Address the device is to have; undefined: its own. */
  readonly mac?: string | undefined;
}

const optionNames: OptionNames<VhostVdpaOptions> = { path: true, device: true, mac: true };

/** The device reads its configuration out to whoever negotiates these; they change nothing else. */
const toldFeatures = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS;

/**
 * A vDPA device as a backend: a network card, or a process behind VDUSE, that works on the rings itself
 * (linux/vhost.h). I/O addresses are the regions' guest addresses. With several queue pairs the transport drives
 * the device's control queue, in memory of its own behind the regions.
 */
export class VhostVdpaTransport implements VhostTransport {
  readonly protocolFeatures = 0n;
  readonly wantedFeatures = 0n;
  readonly status: VhostStatus = {
    get: (options) => this.getStatus(options),
    set: (status, options) => this.setStatus(status, options),
  };
  readonly config: DeviceConfig = {
    read: (features, options) =>
      this.#ask('reading the configuration', options, (fd) => this.#config(fd, features)),
    onChange: (handler) => this.#device.onConfig(handler),
  };
  readonly controlQueue: DeviceControlQueue = {
    features: VIRTIO_NET_F_CTRL_VQ,
    channel: () => this.#channel,
  };
  readonly reset = undefined;
  readonly memorySlots = undefined;
  readonly inflight = undefined;
  readonly mtu = undefined;
  /** The kernel has no limit; each takes a message. */
  readonly maxRegions = 512;
  readonly #device: VdpaNode;
  readonly #facts: VdpaFacts;
  readonly #mac: string | undefined;
  readonly #iotlb: VdpaIotlb;
  #memory: KernelMemory | undefined;
  #control: VdpaControl | undefined;
  /** Virtqueues that are enabled. */
  readonly #enabled = new Set<number>();
  #features = 0n;
  #running = false;
  #suspended = false;
  /** Queue pairs the device was told to use. */
  #pairs = 1;

  /**
   * @throws VioError VIO_VDPA_UNAVAILABLE, VIO_VDPA_PERMISSION, VIO_VDPA_BUSY, VIO_VDPA_NOT_NET, VIO_VDPA_IOMMU,
   *   VIO_VDPA_UNRESPONSIVE, VIO_TIMEOUT, VIO_ABORTED
   */
  static async open(options: VhostVdpaOptions, wait: WaitOptions = {}): Promise<VhostVdpaTransport> {
    checkOptions('VhostVdpaTransport.open', options, optionNames);
    const device = await VdpaNode.open(options.path, wait, options.device);
    try {
      return new VhostVdpaTransport(device, await device.meet(wait), options.mac);
    } catch (error) {
      device.close();
      throw error;
    }
  }

  private constructor(device: VdpaNode, facts: VdpaFacts, mac: string | undefined) {
    this.#device = device;
    this.#facts = facts;
    this.#mac = mac?.toLowerCase();
    this.#iotlb = new VdpaIotlb(this.#can(vdpa.VHOST_BACKEND_F_IOTLB_BATCH));
    device.onEnd(() => this.#release());
    // A request that waits for the control queue of a dead device would keep the rest from going.
    device.onDown(() => this.#control?.queue.close());
  }

  get down(): VioError | undefined {
    return this.#device.down;
  }

  get maxRingSize(): number {
    return this.#facts.maxRingSize;
  }

  getFeatures(): Promise<bigint> {
    return Promise.resolve(this.#facts.features);
  }

  /** Adds what this side settles by itself: the platform's memory, the configuration, the control queue. */
  setFeatures(features: bigint, options?: WaitOptions): Promise<void> {
    return this.#ask('setting the features', options, async (fd) => {
      const offered = this.#facts.features;
      const config = await this.#config(fd);
      const command = (features & VIRTIO_NET_F_MQ) === 0n ? 0n : VIRTIO_NET_F_CTRL_VQ;
      const address = this.#needsAddress(config) ? VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_MAC_ADDR : 0n;
      const own = VIRTIO_F_ACCESS_PLATFORM | toldFeatures | command | address;
      this.#features = features | (own & offered);
      await vdpa.setFeatures(fd, this.#features);
      await this.#device.tellConfig();
    });
  }

  setOwner(options?: WaitOptions): Promise<void> {
    return this.#ask('owning the device', options, (fd) => vdpa.setOwner(fd));
  }

  queueNum(options?: WaitOptions): Promise<number> {
    return this.#ask('reading the configuration', options, async (fd) => {
      const { maxPairs } = await this.#config(fd);
      return Math.min(maxPairs, this.#facts.queueCount >>> 1);
    });
  }

  /** @throws VioError VIO_VDPA_IOVA_RANGE, VIO_MEMORY_LOCK, VIO_VHOST_REGIONS */
  setMemTable(regions: readonly SharedRegion[], options?: WaitOptions): Promise<void> {
    return this.#ask('sharing memory', options, async (fd) => {
      const memory = new KernelMemory(regions);
      const end = Math.max(...regions.map(({ guestAddress, size }) => guestAddress + size));
      let control: VdpaControl | undefined;
      try {
        control = await this.#makeControl(fd, wholePages(end));
        const all = control === undefined ? memory.regions : [...memory.regions, control.memory];
        errors.checkIovaRange(all, this.#facts.iovaRange);
        await this.#iotlb.replace(fd, all);
      } catch (error) {
        memory[Symbol.dispose]();
        control?.[Symbol.dispose]();
        throw error;
      }
      this.#forgetMemory();
      this.#memory = memory;
      this.#control = control;
    });
  }

  setVringNum(index: number, size: number, options?: WaitOptions): Promise<void> {
    return this.#ask('setting the size of a ring', options, (fd) => {
      errors.checkRingSize(size, this.#facts.maxRingSize);
      return vdpa.setVringNum(fd, index, size);
    });
  }

  setVringBase(index: number, base: number, options?: WaitOptions): Promise<void> {
    return this.#ask('setting the start of a ring', options, (fd) => vdpa.setVringBase(fd, index, base));
  }

  setVringAddr(index: number, addresses: VringUserAddresses, options?: WaitOptions): Promise<void> {
    return this.#ask('setting the place of a ring', options, (fd) => {
      const memory = this.#memory;
      if (memory === undefined) throw new TypeError('setVringAddr before setMemTable');
      const [descriptors, driver, device] = [addresses.descriptors, addresses.driver, addresses.device].map(
        (address) => memory.guestAddress(address),
      );
      return vdpa.setVringAddr(fd, index, { descriptors, driver, device });
    });
  }

  setVringKick(index: number, eventFd: number | undefined, options?: WaitOptions): Promise<void> {
    return this.#ask('setting a kick', options, (fd) => vdpa.setVringEvent(fd, 'kick', index, eventFd));
  }

  /** A store into the notification area of the card, which costs no system call; undefined where the card has none. */
  doorbell(index: number): Notifier | undefined {
    return this.#device.doorbell(index);
  }

  setVringCall(index: number, eventFd: number | undefined, options?: WaitOptions): Promise<void> {
    return this.#ask('setting a call', options, (fd) => vdpa.setVringEvent(fd, 'call', index, eventFd));
  }

  setVringErr(index: number, eventFd: number | undefined, options?: WaitOptions): Promise<void> {
    return this.#ask('setting an eventfd', options, (fd) => vdpa.setVringEvent(fd, 'err', index, eventFd));
  }

  /**
   * A change to a running device is a change of its queue pairs: the control queue tells it. Its rings are not
   * disabled one by one, which devices behind PCI do not know (virtio 1.4, section 4.1.4.3.2), but by a reset.
   */
  setVringEnable(index: number, enabled: boolean, options?: WaitOptions): Promise<void> {
    return this.#ask('enabling a ring', options, async (fd) => {
      if (enabled || !this.#running) await vdpa.setVringEnable(fd, index, enabled);
      if (enabled) this.#enabled.add(index);
      else this.#enabled.delete(index);
      if (this.#running) await this.#tellPairs();
    });
  }

  /** Of a device that can, everything is suspended by the first call. */
  getVringBase(index: number, options?: WaitOptions): Promise<number> {
    return this.#ask('stopping a ring', options, async (fd) => {
      if (this.#running && this.#can(vdpa.VHOST_BACKEND_F_SUSPEND) && !this.#suspended) {
        await vdpa.suspend(fd);
        this.#suspended = true;
      }
      return vdpa.getVringBase(fd, index);
    });
  }

  /** Reads the device status. */
  getStatus(options?: WaitOptions): Promise<number> {
    return this.#ask('reading the status', options, (fd) => vdpa.getStatus(fd));
  }

  /** With DRIVER_OK the control queue starts as well, and the device is told of queue pairs and address. */
  setStatus(status: number, options?: WaitOptions): Promise<void> {
    return this.#ask('setting the status', options, async (fd) => {
      const starts = (status & STATUS_DRIVER_OK) !== 0 && !this.#running;
      if (starts) await this.#control?.start();
      await vdpa.setStatus(fd, status);
      if (status === 0) this.#stopped();
      if (!starts) return;
      if (((await vdpa.getStatus(fd)) & STATUS_DRIVER_OK) === 0) throw errors.notStarted();
      this.#running = true;
      await this.#tellPairs();
      if ((this.#features & VIRTIO_NET_F_CTRL_MAC_ADDR) !== 0n && this.#mac !== undefined)
        await this.#control?.queue.execute({ kind: 'mac-address', mac: this.#mac });
    });
  }

  onDown(handler: (reason: VioError) => void): () => void {
    return this.#device.onDown(handler);
  }

  /** The device's own control queue, once it has memory. */
  get #channel(): ControlChannel | undefined {
    const control = this.#control;
    if (control === undefined) return undefined;
    return {
      execute: async (command, wait) => {
        await control.queue.execute(command, wait);
        if (command.kind === 'queue-pairs') this.#pairs = command.pairs;
      },
    };
  }

  close(): void {
    this.#control?.queue.close();
    this.#device.close();
  }

  #can(backendFeature: bigint): boolean {
    return (this.#facts.backendFeatures & backendFeature) !== 0n;
  }

  #ask<T>(what: string, options: WaitOptions | undefined, request: (fd: number) => Promise<T>): Promise<T> {
    return this.#device.ask(what, options, request);
  }

  async #config(fd: number, features = this.#facts.features): Promise<ConfigSpace> {
    const fields = features & this.#facts.features;
    return decodeConfigSpace(await vdpa.getConfig(fd, configBytes(fields)), fields);
  }

  /** @throws VioError VIO_VDPA_MAC when the address that is wanted cannot be set */
  #needsAddress({ mac }: ConfigSpace): boolean {
    if (this.#mac === undefined || mac === undefined || mac === this.#mac) return false;
    if ((this.#facts.features & VIRTIO_NET_F_CTRL_MAC_ADDR) === 0n) throw errors.otherAddress(mac);
    return true;
  }

  async #makeControl(fd: number, iova: number): Promise<VdpaControl | undefined> {
    if ((this.#features & VIRTIO_NET_F_CTRL_VQ) === 0n) return undefined;
    const pairs = (this.#features & VIRTIO_NET_F_MQ) === 0n ? 1 : (await this.#config(fd)).maxPairs;
    return new VdpaControl({ fd, index: 2 * pairs, iova, features: ringFeatures(this.#features) });
  }

  async #tellPairs(): Promise<void> {
    if ((this.#features & VIRTIO_NET_F_MQ) === 0n) return;
    const pairs = wholePairs(this.#enabled);
    if (pairs === 0 || pairs === this.#pairs) return;
    await this.#control?.queue.execute({ kind: 'queue-pairs', pairs });
    this.#pairs = pairs;
  }

  #stopped(): void {
    this.#running = false;
    this.#suspended = false;
    this.#pairs = 1;
    this.#enabled.clear();
  }

  #forgetMemory(): void {
    this.#memory?.[Symbol.dispose]();
    this.#control?.[Symbol.dispose]();
    this.#memory = undefined;
    this.#control = undefined;
  }

  #release(): void {
    this.#stopped();
    this.#forgetMemory();
  }
}
