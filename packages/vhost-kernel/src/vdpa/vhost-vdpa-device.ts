import type { VioError, WaitOptions } from '@vio/native';
import { type OptionNames, callApplication, checkOptions } from '@vio/native/internal';
import { VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ } from '@vio/net';
import {
  STATUS_AGREED,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
  STATUS_KNOWN,
  decodeConfigSpace,
  networkCard,
  wholePairs,
} from '@vio/net/internal';
import { ringFeatures } from '@vio/rings';
import { type VdpaDevice, type VdpaFrontend, vdpaProtocolFeatures } from '@vio/vhost';
import { frontendFeatures, ownFeatures } from '@vio/vhost/internal';
import { VdpaControl } from './control-queue.ts';
import { VdpaIotlb } from './iotlb.ts';
import { RingEvents } from './ring-events.ts';
import { VdpaNode, type VdpaFacts } from './vdpa-node.ts';
import * as errors from './vdpa-errors.ts';
import * as vdpa from './vdpa-ioctls.ts';

/** How a vhost-vdpa device is opened. */
export interface VhostVdpaDeviceOptions extends WaitOptions {
  /** A descriptor of the device, which stays the caller's. Default: the path is opened. */
  readonly descriptor?: number | undefined;
}

const optionNames: OptionNames<VhostVdpaDeviceOptions> = { descriptor: true, timeout: true, signal: true };

/** Bytes of a configuration space that vhost-user can tell. */
const configBytes = 256;

/** What is open while it works for a frontend. */
interface Work {
  readonly events: readonly RingEvents[];
  readonly control: VdpaControl | undefined;
  /** Rings that were enabled. */
  readonly enabled: Set<number>;
  pairs: number;
}

/**
 * A kernel's vDPA device, `/dev/vhost-vdpa-N`, that works on the rings of vhost-user frontends: `VhostDriver.attachVdpaDevice(device)`. The
 * kernel is told where the frontend's memory is in this process, and given its kick and call descriptors.
 */
export class VhostVdpaDevice implements VdpaDevice, AsyncDisposable {
  /** Its path. */
  readonly name: string;
  readonly deviceType = networkCard;
  readonly queueNum: number;
  readonly features: bigint;
  readonly protocolFeatures = vdpaProtocolFeatures;
  readonly maxRingSize: number;
  readonly resumes = true;
  readonly stats = undefined;
  readonly vfio = undefined;
  readonly config: NonNullable<VdpaDevice['config']> = {
    space: () => this.#space,
    // The kernel would take it, and no network card does.
    write: () => false,
    onChange: (handler) => {
      this.#onConfig.add(handler);
      return () => this.#onConfig.delete(handler);
    },
  };
  readonly #device: VdpaNode;
  readonly #facts: VdpaFacts;
  readonly #iotlb: VdpaIotlb;
  readonly #onConfig = new Set<() => void>();
  #space: Uint8Array;
  #owned = false;
  #work: Work | undefined;

  /**
   * @param path as `/dev/vhost-vdpa-0`
   * @throws VioError VIO_OPTION_UNKNOWN, VIO_VDPA_UNAVAILABLE, VIO_VDPA_PERMISSION, VIO_VDPA_BUSY, VIO_VDPA_NOT_NET,
   *   VIO_VDPA_IOMMU, VIO_VDPA_UNRESPONSIVE, VIO_TIMEOUT, VIO_ABORTED
   */
  static async open(path: string, options: VhostVdpaDeviceOptions = {}): Promise<VhostVdpaDevice> {
    checkOptions('VhostVdpaDevice.open', options, optionNames);
    const { descriptor, ...wait } = options;
    const device = await VdpaNode.open(path, wait, descriptor);
    try {
      const facts = await device.meet(wait);
      const space = await device.ask('reading the configuration', wait, (fd) =>
        vdpa.getConfig(fd, configBytes),
      );
      return new VhostVdpaDevice(device, facts, space);
    } catch (error) {
      device.close();
      throw error;
    }
  }

  private constructor(device: VdpaNode, facts: VdpaFacts, space: Uint8Array) {
    this.name = device.path;
    this.#device = device;
    this.#facts = facts;
    this.#space = space;
    this.#iotlb = new VdpaIotlb(this.#can(vdpa.VHOST_BACKEND_F_IOTLB_BATCH));
    this.features = frontendFeatures(facts.features);
    this.maxRingSize = facts.maxRingSize;
    const { maxPairs } = decodeConfigSpace(space, facts.features);
    this.queueNum = Math.max(1, Math.min(maxPairs, facts.queueCount >>> 1));
    device.onConfig(() => void this.#readConfig());
    device.onEnd(() => this.#forget());
    // What waits for the control queue of a dead device would keep the rest from going.
    device.onDown(() => this.#work?.control?.queue.close());
  }

  get down(): VioError | undefined {
    return this.#device.down;
  }

  /**
   * Gives the device features, memory and rings, and starts it.
   * @throws VioError VIO_FEATURES_REFUSED, VIO_VDPA_IOVA_RANGE, VIO_MEMORY_LOCK, VIO_VHOST_RING, VIO_VDPA_UNRESPONSIVE, VIO_VDPA_GONE, VIO_TIMEOUT
   */
  async configure(frontend: VdpaFrontend, wait: WaitOptions): Promise<void> {
    try {
      await this.#device.ask('starting', wait, (fd) => this.#start(fd, frontend));
      await this.#tellPairs();
    } catch (error) {
      await this.stop(frontend, wait);
      throw error;
    }
  }

  /** Suspends the device if it can, asks where its rings are, and resets it. */
  async stop(frontend: VdpaFrontend, wait: WaitOptions): Promise<void> {
    try {
      if (this.#device.open) await this.#device.ask('stopping', wait, (fd) => this.#stop(fd, frontend));
    } catch {
      // It has gone down by that, and the kernel has let go, or does as soon as it can.
    } finally {
      this.#forget();
    }
  }

  async setVringState(_: VdpaFrontend, queue: number, enabled: boolean): Promise<void> {
    const work = this.#work;
    const events = work?.events.find(({ ring }) => ring.index === queue);
    if (work === undefined || events === undefined) return;
    if (!enabled) work.enabled.delete(queue);
    else
      await this.#device.ask('enabling a ring', undefined, async (fd) => {
        await tellEvents(fd, events);
        await vdpa.setVringEnable(fd, queue, true);
        work.enabled.add(queue);
      });
    await this.#tellPairs();
  }

  /** The kernel maps doorbells for this process, and hands them to no other. */
  notifyArea(): undefined {
    return undefined;
  }

  onDown(handler: (reason: VioError) => void): () => void {
    return this.#device.onDown(handler);
  }

  /** Gives the device back. It must have been detached. Idempotent. */
  close(): void {
    this.#work?.control?.queue.close();
    this.#device.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #start(fd: number, { features, regions, rings }: VdpaFrontend): Promise<void> {
    await vdpa.setStatus(fd, 0);
    if (!this.#owned) await vdpa.setOwner(fd);
    this.#owned = true;
    await vdpa.setStatus(fd, STATUS_KNOWN);
    const agreed = features | ownFeatures(this.#facts.features, features);
    await vdpa.setFeatures(fd, agreed);
    await vdpa.setStatus(fd, STATUS_AGREED);
    if (((await vdpa.getStatus(fd)) & STATUS_FEATURES_OK) === 0) throw errors.refusedFeatures(this.name);
    const work = this.#open(fd, agreed, { features, regions, rings });
    this.#work = work;
    const memory = work.control === undefined ? regions : [...regions, work.control.memory];
    errors.checkIovaRange(memory, this.#facts.iovaRange);
    await this.#iotlb.replace(fd, memory);
    for (const events of work.events) {
      const { index, size, base, descriptors, driver, device, enabled } = events.ring;
      errors.checkRingSize(size, this.#facts.maxRingSize);
      await vdpa.setVringNum(fd, index, size);
      await vdpa.setVringBase(fd, index, base);
      const [at, avail, used] = [descriptors, driver, device].map(Number);
      await vdpa.setVringAddr(fd, index, { descriptors: at, driver: avail, device: used });
      await tellEvents(fd, events);
      if (!enabled) continue;
      await vdpa.setVringEnable(fd, index, true);
      work.enabled.add(index);
    }
    await work.control?.start();
    await this.#device.tellConfig();
    await vdpa.setStatus(fd, STATUS_AGREED | STATUS_DRIVER_OK);
    if (((await vdpa.getStatus(fd)) & STATUS_DRIVER_OK) === 0) throw errors.notStarted();
    // What was kicked before there was a device is looked at, and who may have slept looks again.
    for (const { ring } of work.events) ring.call();
  }

  #open(
    fd: number,
    agreed: bigint,
    { regions, rings }: Pick<VdpaFrontend, 'features' | 'regions' | 'rings'>,
  ): Work {
    const end = regions.reduce((most, { guestAddress, size }) => {
      const behind = guestAddress + size;
      return behind > most ? behind : most;
    }, 0n);
    const hasControl = (agreed & VIRTIO_NET_F_CTRL_VQ) !== 0n;
    const { maxPairs } = decodeConfigSpace(this.#space, this.#facts.features);
    const control = hasControl
      ? new VdpaControl({ fd, index: 2 * maxPairs, iova: Number(end), features: ringFeatures(agreed) })
      : undefined;
    return {
      events: rings.map((ring) => new RingEvents(ring)),
      control,
      enabled: new Set(),
      pairs: (agreed & VIRTIO_NET_F_MQ) === 0n ? 0 : 1,
    };
  }

  async #stop(fd: number, frontend: VdpaFrontend): Promise<void> {
    if (this.#can(vdpa.VHOST_BACKEND_F_SUSPEND) && this.#work !== undefined) {
      await vdpa.suspend(fd);
      for (const { index } of frontend.rings)
        frontend.setVringBase(index, await vdpa.getVringBase(fd, index));
    }
    await vdpa.setStatus(fd, 0);
    await this.#iotlb.replace(fd, []);
  }

  /** A card with a control queue is told how many pairs are in use. */
  async #tellPairs(): Promise<void> {
    const work = this.#work;
    if (work?.control === undefined) return;
    const pairs = wholePairs(work.enabled);
    if (pairs === 0 || pairs === work.pairs) return;
    await work.control.queue.execute({ kind: 'queue-pairs', pairs });
    work.pairs = pairs;
  }

  async #readConfig(): Promise<void> {
    try {
      this.#space = await this.#device.ask('reading the configuration', undefined, (fd) =>
        vdpa.getConfig(fd, configBytes),
      );
    } catch {
      // It goes down by that.
      return;
    }
    for (const handler of Array.from(this.#onConfig)) callApplication(handler);
  }

  #forget(): void {
    const work = this.#work;
    this.#work = undefined;
    work?.control?.[Symbol.dispose]();
    for (const events of work?.events ?? []) events[Symbol.dispose]();
  }

  #can(backendFeature: bigint): boolean {
    return (this.#facts.backendFeatures & backendFeature) !== 0n;
  }
}

async function tellEvents(fd: number, events: RingEvents): Promise<void> {
  await vdpa.setVringEvent(fd, 'call', events.ring.index, events.callFd);
  await vdpa.setVringEvent(fd, 'kick', events.ring.index, events.kickFd);
}
