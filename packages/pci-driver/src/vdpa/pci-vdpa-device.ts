import type { VioError, WaitOptions } from '@vio/native';
import { type OptionNames, callApplication, checkOptions, pageBytes } from '@vio/native/internal';
import { VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ } from '@vio/net';
import { ControlQueue, encodeConfigSpace, networkCard, wholePairs } from '@vio/net/internal';
import { Region, VIRTIO_F_ACCESS_PLATFORM, ringFeatures } from '@vio/rings';
import {
  type VdpaDevice,
  type VdpaFrontend,
  type VdpaNotifyArea,
  type VdpaVfio,
  vdpaProtocolFeatures,
} from '@vio/vhost';
import { frontendFeatures, ownFeatures } from '@vio/vhost/internal';
import { disableBusMaster } from '../access/config-space.ts';
import { openAccess } from '../access/open-access.ts';
import type { PciAccess, TranslatedAccess } from '../access/pci-access.ts';
import { deviceGone, needsReset } from '../access/pci-errors.ts';
import { readCapabilities } from '../device/capabilities.ts';
import { acceptFeatures, driverOk, meet, resetDevice } from '../device/life-cycle.ts';
import { healthOf, isThere, watch } from '../device/liveness.ts';
import { ModernDevice } from '../device/modern-device.ts';
import { parsePciDevargs } from '../port/devargs.ts';
import { readNetConfig } from '../port/net-config.ts';
import { IovaSpace } from './iova-space.ts';
import * as errors from './pci-vdpa-errors.ts';
import { type VdpaInterruptMode, VdpaInterrupts } from './vdpa-interrupts.ts';

/** How a card is opened for vDPA. */
export interface PciVdpaDeviceOptions extends WaitOptions {
  /**
   * Hands the card's notification areas to frontends that take them (HOST_NOTIFIER), whose guests then kick it without this process.
   * The frontend gets the card's descriptor of VFIO for it, and can do with the card what this process can. Default false.
   */
  readonly doorbells?: boolean | undefined;
  /** Milliseconds between two looks whether the card is still there and healthy. Default 1000. */
  readonly watchInterval?: number | undefined;
}

const optionNames: OptionNames<PciVdpaDeviceOptions> = {
  doorbells: true,
  watchInterval: true,
  timeout: true,
  signal: true,
};

/** What a card has while it works for a frontend. */
interface Work {
  readonly frontend: VdpaFrontend;
  readonly memory: IovaSpace;
  interrupts: VdpaInterrupts | undefined;
  control: ControlQueue | undefined;
  readonly endKicks: (() => void)[];
  /** Rings that were enabled. */
  readonly enabled: Set<number>;
  pairs: number;
}

/**
 * A virtio-net card behind VFIO that works on the rings of vhost-user frontends: `VhostDriver.attachVdpaDevice(device)`. The IOMMU maps
 * the frontend's memory at its guest addresses, the card's registers are told where the rings are, the kernel signals the descriptor
 * by which a driver is called, and kicks are passed on. It needs an IOMMU and modern registers.
 */
export class PciVdpaDevice implements VdpaDevice, AsyncDisposable {
  /** Its address, as in `0000:00:04.0`. */
  readonly name: string;
  readonly deviceType = networkCard;
  readonly queueNum: number;
  readonly features: bigint;
  readonly protocolFeatures = vdpaProtocolFeatures;
  readonly maxRingSize: number;
  /** A card of virtio 1 begins at the start of its rings, always. */
  readonly resumes = false;
  readonly stats = undefined;
  readonly vfio: VdpaVfio;
  readonly config: NonNullable<VdpaDevice['config']> = {
    space: () => this.#space,
    write: () => false,
    onChange: (handler) => {
      this.#onConfig.add(handler);
      return () => this.#onConfig.delete(handler);
    },
  };
  readonly #access: PciAccess;
  readonly #translated: TranslatedAccess;
  readonly #registers: ModernDevice;
  readonly #offered: bigint;
  readonly #controlIndex: number;
  readonly #doorbells: boolean;
  readonly #watch: NodeJS.Timeout;
  readonly #endRemoval: () => void;
  readonly #onConfig = new Set<() => void>();
  readonly #onDown = new Set<(reason: VioError) => void>();
  #space: Uint8Array;
  #down: VioError | undefined;
  #work: Work | undefined;
  #open = true;

  /**
   * Opens a card that is bound to vfio-pci, and resets it.
   * @param device devargs as `0000:00:04.0` or `0000:00:04.0,vdpa=1`, or a device that is reached in another way
   * @throws VioError VIO_OPTION_UNKNOWN, VIO_PCI_*, VIO_VFIO_*, VIO_DEVARGS_*; VIO_VDPA_IOMMU without an IOMMU; VIO_FEATURE_MISSING for
   *   a card without modern registers or ACCESS_PLATFORM; VIO_ABORTED
   */
  static async open(device: string | PciAccess, options: PciVdpaDeviceOptions = {}): Promise<PciVdpaDevice> {
    checkOptions('PciVdpaDevice.open', options, optionNames);
    const access = typeof device === 'string' ? openAccess(parsePciDevargs(device).address) : device;
    try {
      const { translated } = access;
      if (translated === undefined) throw errors.withoutIommu(access.address);
      const capabilities = readCapabilities(access.config, (index) => access.barSize(index));
      const registers = ModernDevice.open(access, capabilities);
      if (registers === undefined) throw errors.notModern(access.address);
      await resetDevice(registers, options);
      const offered = meet(registers);
      if ((offered & VIRTIO_F_ACCESS_PLATFORM) === 0n) throw errors.pastIommu(access.address);
      const opened = new PciVdpaDevice(access, translated, registers, offered, options);
      await resetDevice(registers, options);
      return opened;
    } catch (error) {
      access.close();
      throw error;
    }
  }

  private constructor(
    access: PciAccess,
    translated: TranslatedAccess,
    registers: ModernDevice,
    offered: bigint,
    { doorbells = false, watchInterval }: PciVdpaDeviceOptions,
  ) {
    this.name = access.address;
    this.#access = access;
    this.#translated = translated;
    this.#registers = registers;
    this.#doorbells = doorbells;
    this.#offered = offered;
    this.vfio = translated;
    const config = readNetConfig(registers, offered);
    this.#space = encodeConfigSpace(config);
    // Without a control queue a card uses its first pair, whatever it has.
    const several = (offered & VIRTIO_NET_F_CTRL_VQ) !== 0n && (offered & VIRTIO_NET_F_MQ) !== 0n;
    this.#controlIndex = 2 * config.maxPairs;
    this.queueNum = several ? config.maxPairs : 1;
    this.features = frontendFeatures(offered) & ~(several ? 0n : VIRTIO_NET_F_MQ);
    this.maxRingSize = registers.queueSize(0);
    this.#endRemoval = access.onRemovalRequest(() => this.#lose());
    this.#watch = watch(() => this.#look(), watchInterval);
  }

  get down(): VioError | undefined {
    return this.#down;
  }

  /** How drivers are called; undefined while it does not work. */
  get interruptMode(): VdpaInterruptMode | undefined {
    return this.#work?.interrupts?.mode;
  }

  /**
   * Maps the frontend's memory, tells the card its rings, and starts it.
   * @throws VioError VIO_PCI_RESET_TIMEOUT, VIO_FEATURES_REFUSED, VIO_MEMORY_LOCK, VIO_PCI_DMA, VIO_VDPA_INTERRUPTS, VIO_VHOST_RING, VIO_DEVICE_GONE
   */
  async configure(frontend: VdpaFrontend, wait: WaitOptions): Promise<void> {
    if (this.#down !== undefined) throw this.#down;
    try {
      await this.#start(frontend, wait);
    } catch (cause) {
      await this.stop(frontend, wait);
      throw this.#down ?? cause;
    }
  }

  /** Resets the card, and takes the memory away from it. One that hangs, or is asked back, is cut off from memory before. */
  async stop(_: VdpaFrontend, wait: WaitOptions): Promise<void> {
    const work = this.#work;
    this.#work = undefined;
    for (const end of work?.endKicks ?? []) end();
    work?.control?.close();
    if (this.#down === undefined) await this.#reset(wait);
    else ignoring(() => disableBusMaster(this.#access.config));
    ignoring(() => work?.interrupts?.[Symbol.dispose]());
    ignoring(() => work?.memory[Symbol.dispose]());
    if (this.#down !== undefined) this.close();
  }

  async setVringState(_: VdpaFrontend, queue: number, enabled: boolean): Promise<void> {
    const work = this.#work;
    const ring = work?.frontend.rings.find(({ index }) => index === queue);
    if (work === undefined || ring === undefined) return;
    work.interrupts?.renew(ring, enabled);
    if (ring.enabled) work.enabled.add(queue);
    else work.enabled.delete(queue);
    await this.#tellPairs(work);
  }

  notifyArea(queue: number): VdpaNotifyArea | undefined {
    if (!this.#doorbells) return undefined;
    const { bar, offset } = this.#registers.notifyPlace(queue);
    const at = this.#translated.barAt(bar);
    // A page for each queue, or none: what else is in it is not the driver's.
    if (at === undefined || !this.#registers.notifiesByPage || (at + offset) % pageBytes !== 0)
      return undefined;
    return { fd: this.#translated.deviceFd, offset: at + offset, size: pageBytes };
  }

  onDown(handler: (reason: VioError) => void): () => void {
    this.#onDown.add(handler);
    const reason = this.#down;
    if (reason !== undefined) this.#tell(handler, reason);
    return () => this.#onDown.delete(handler);
  }

  /** Gives the card back. It must have been detached. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    clearInterval(this.#watch);
    ignoring(() => this.#endRemoval());
    this.#access.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #start(frontend: VdpaFrontend, wait: WaitOptions): Promise<void> {
    const registers = this.#registers;
    const { rings } = frontend;
    await resetDevice(registers, wait);
    meet(registers);
    const agreed = frontend.features | ownFeatures(this.#offered, frontend.features);
    acceptFeatures(registers, agreed);
    const last = rings.at(-1)?.index ?? 0;
    if (last >= 2 * this.queueNum) throw errors.tooManyRings(this.name, last + 1, 2 * this.queueNum);
    const work: Work = {
      frontend,
      memory: new IovaSpace(this.#translated, frontend),
      interrupts: undefined,
      control: undefined,
      endKicks: [],
      enabled: new Set(rings.filter(({ enabled }) => enabled).map(({ index }) => index)),
      pairs: 1,
    };
    this.#work = work;
    work.interrupts = new VdpaInterrupts(this.#access.interrupts, registers, rings, () =>
      this.#configChanged(),
    );
    if (work.interrupts.mode === undefined) throw errors.withoutInterrupts(this.name);
    for (const ring of rings) registers.enableQueue(ring.index, work.memory.placeOf(ring));
    if ((agreed & VIRTIO_NET_F_CTRL_VQ) !== 0n) work.control = this.#makeControl(work.memory, agreed);
    driverOk(registers);
    for (const ring of rings) {
      const kick = this.#notifier(ring.index);
      work.endKicks.push(ring.onKick(kick));
      // What was kicked before there was a card is looked at, and who may have slept looks again.
      kick();
      ring.call();
    }
    await this.#tellPairs(work);
    this.#look();
    if (this.#down !== undefined) throw this.#down;
  }

  /** Kicks come out of the event loop, which a card that was pulled out must not throw into. */
  #notifier(queue: number): () => void {
    const notifier = this.#registers.notifier(queue, () => 0);
    return () => {
      try {
        notifier.signal();
      } catch (cause) {
        this.#lose(cause);
      }
    };
  }

  /** The card's own control queue, which is not the frontend's: it says how many pairs are in use. */
  #makeControl(memory: IovaSpace, agreed: bigint): ControlQueue {
    const features = ringFeatures(agreed);
    const { buffer, address } = memory.allocate(ControlQueue.bytes(features));
    const index = this.#controlIndex;
    const kick = { signal: () => this.#notifier(index)() };
    const region = new Region(buffer);
    const queue = new ControlQueue({ region, offset: 0, features, address: Number(address), kick });
    const { size, addresses } = queue.ring;
    const at = (offset: number): bigint => address + BigInt(offset);
    this.#registers.enableQueue(index, {
      size,
      descriptors: at(addresses.descriptors),
      driver: at(addresses.driver),
      device: at(addresses.device),
    });
    return queue;
  }

  async #tellPairs(work: Work): Promise<void> {
    const pairs = wholePairs(work.enabled);
    if (work.control === undefined || pairs === 0 || pairs === work.pairs) return;
    await work.control.execute({ kind: 'queue-pairs', pairs });
    work.pairs = pairs;
  }

  async #reset(wait: WaitOptions): Promise<void> {
    try {
      await resetDevice(this.#registers, wait);
    } catch (cause) {
      ignoring(() => disableBusMaster(this.#access.config));
      this.#lose(cause);
    }
  }

  #configChanged(): void {
    this.#look();
    if (this.#down !== undefined || this.#work === undefined) return;
    try {
      this.#space = encodeConfigSpace(readNetConfig(this.#registers, this.#offered));
    } catch (cause) {
      return this.#lose(cause);
    }
    for (const handler of Array.from(this.#onConfig)) callApplication(handler);
  }

  /** Is it still there, and healthy? */
  #look(): void {
    if (!this.#open || this.#down !== undefined) return;
    try {
      if (!isThere(this.#access)) return this.#lose();
      if (this.#work === undefined) return;
      const health = healthOf(this.#registers.status);
      if (health === 'gone') return this.#lose();
      if (health === 'needs reset') this.#tellAll(needsReset(this.name));
    } catch (cause) {
      this.#lose(cause);
    }
  }

  /** It is gone, or about to go: whoever takes it away may wait until it is closed. */
  #lose(cause?: unknown): void {
    if (!this.#open || this.#down !== undefined) return;
    this.#down = deviceGone(this.name, cause);
    this.#tellAll(this.#down);
    if (this.#work === undefined) this.close();
  }

  #tellAll(reason: VioError): void {
    for (const handler of this.#onDown) this.#tell(handler, reason);
  }

  #tell(handler: (reason: VioError) => void, reason: VioError): void {
    queueMicrotask(() => {
      if (this.#onDown.delete(handler)) callApplication(() => handler(reason));
    });
  }
}

/** What a card that is gone may throw. */
function ignoring(action: () => void): void {
  try {
    action();
  } catch {
    // The kernel has taken it away already.
  }
}
