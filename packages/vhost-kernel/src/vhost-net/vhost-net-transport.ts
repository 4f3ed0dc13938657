import { VioError, closeFd, dupFd } from '@vio/native';
import { type OptionNames, callApplication, checkOptions } from '@vio/native/internal';
import {
  type DeviceConfig,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_USO,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  DownEvent,
} from '@vio/net';
import { decodeConfigSpace } from '@vio/net/internal';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1 } from '@vio/rings';
import type { SharedRegion, VhostTransport, VringUserAddresses } from '@vio/vhost';
import type { Tap } from '../tap/tap.ts';
import { KernelMemory, maxRegions } from './kernel-memory.ts';
import { type PortTapOptions, adoptTap, openTap, takesUso, tapOffloads } from './port-tap.ts';
import * as vhost from './vhost-ioctls.ts';

/** A vhost-net backend: its devices and its tap. */
export interface VhostNetOptions extends PortTapOptions {
  /** Usually `/dev/vhost-net`. */
  readonly path: string;
  /** Descriptors of it, one for each queue pair, which stay the caller's; undefined: `path` is opened. */
  readonly devices?: readonly number[] | undefined;
  /** Descriptors of the queues of a tap, which stay the caller's; undefined: a tap is opened by name. */
  readonly taps?: readonly number[] | undefined;
}

const optionNames: OptionNames<VhostNetOptions> = {
  path: true,
  devices: true,
  taps: true,
  iface: true,
  queues: true,
  mac: true,
  netns: true,
};

/** What vhost-net has to know of; the rest of a port's features is between driver and tap. */
const ringFeatures =
  VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_NET_F_MRG_RXBUF;

/** What the tap does: vhost-net passes headers through and never hears of it. */
const tapFeatures =
  VIRTIO_NET_F_CSUM |
  VIRTIO_NET_F_HOST_TSO4 |
  VIRTIO_NET_F_HOST_TSO6 |
  VIRTIO_NET_F_HOST_ECN |
  VIRTIO_NET_F_GUEST_CSUM |
  VIRTIO_NET_F_GUEST_TSO4 |
  VIRTIO_NET_F_GUEST_TSO6 |
  VIRTIO_NET_F_GUEST_ECN;

/** The same since Linux 6.2. */
const usoFeatures = VIRTIO_NET_F_HOST_USO | VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6;

/** Of a device without a configuration space. */
const nothingSaid = decodeConfigSpace(new Uint8Array(0), 0n);

/** Milliseconds between two looks at the tap. */
const watchInterval = 100;

/**
 * The kernel as a backend: a tap interface with one queue for each queue pair, and one vhost-net device for each of
 * them that carries frames between ring and tap (linux/vhost.h).
 */
export class VhostNetTransport implements VhostTransport {
  readonly protocolFeatures = 0n;
  readonly wantedFeatures = 0n;
  /** The link is the tap's: up when the administrator wants it so, and it has a carrier. */
  readonly config: DeviceConfig = {
    read: () => Promise.resolve({ ...nothingSaid, linkUp: this.#linkUp }),
    onChange: (handler) => {
      this.#onLink.add(handler);
      return () => this.#onLink.delete(handler);
    },
  };
  readonly status = undefined;
  readonly reset = undefined;
  readonly controlQueue = undefined;
  readonly memorySlots = undefined;
  readonly inflight = undefined;
  readonly mtu = undefined;
  readonly maxRegions = maxRegions();
  /** The interface that the kernel carries frames to and from. */
  readonly tap: Tap;
  /** By queue pair. */
  readonly #devices: readonly number[];
  readonly #watch: NodeJS.Timeout;
  readonly #down = new DownEvent();
  /** Virtqueues that are enabled. */
  readonly #enabled = new Set<number>();
  readonly #onLink = new Set<() => void>();
  #linkUp: boolean;
  #memory: KernelMemory | undefined;
  #open = true;

  /** @throws VioError VIO_VHOST_NET_*, VIO_TAP_* */
  static open(options: VhostNetOptions): VhostNetTransport {
    checkOptions('VhostNetTransport.open', options, optionNames);
    const devices: number[] = [];
    let tap: Tap | undefined;
    try {
      for (let i = 0; i < options.queues; i++) {
        devices.push(
          options.devices === undefined ? vhost.openVhostNet(options.path) : dupFd(options.devices[i]),
        );
      }
      tap = options.taps === undefined ? openTap(options) : adoptTap(options.taps, options.mac);
      return new VhostNetTransport(devices, tap);
    } catch (error) {
      tap?.close();
      for (const fd of devices) closeFd(fd);
      throw error;
    }
  }

  private constructor(devices: readonly number[], tap: Tap) {
    this.#devices = devices;
    this.tap = tap;
    // A queue that no ring is joined to takes no frames.
    for (const pair of devices.keys()) tap.setQueueAttached(pair, false);
    this.#linkUp = this.#isUp();
    this.#watch = setInterval(() => this.#look(), watchInterval).unref();
  }

  get down(): VioError | undefined {
    return this.#down.reason;
  }

  async getFeatures(): Promise<bigint> {
    const uso = takesUso(this.tap) ? usoFeatures : 0n;
    const offered = (vhost.getFeatures(this.#devices[0]) & ringFeatures) | tapFeatures | uso;
    return Promise.resolve(this.tap.multiQueue ? offered | VIRTIO_NET_F_MQ : offered);
  }

  async setFeatures(features: bigint): Promise<void> {
    this.tap.setHeaderBytes((features & (VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF)) === 0n ? 10 : 12);
    this.tap.setOffloads(tapOffloads(features));
    for (const fd of this.#devices) vhost.setFeatures(fd, features & ringFeatures);
    return Promise.resolve();
  }

  async setOwner(): Promise<void> {
    for (const fd of this.#devices) vhost.setOwner(fd);
    return Promise.resolve();
  }

  async queueNum(): Promise<number> {
    return Promise.resolve(this.#devices.length);
  }

  async setMemTable(regions: readonly SharedRegion[]): Promise<void> {
    const memory = new KernelMemory(regions);
    try {
      for (const fd of this.#devices) vhost.setMemTable(fd, memory.regions);
    } catch (error) {
      memory[Symbol.dispose]();
      throw error;
    }
    this.#memory?.[Symbol.dispose]();
    this.#memory = memory;
    return Promise.resolve();
  }

  async setVringNum(index: number, size: number): Promise<void> {
    vhost.setVringNum(this.#device(index), index & 1, size);
    return Promise.resolve();
  }

  async setVringBase(index: number, base: number): Promise<void> {
    vhost.setVringBase(this.#device(index), index & 1, base);
    return Promise.resolve();
  }

  /** @throws TypeError before `setMemTable`; VioError VIO_VHOST_RING when a part is not in the memory */
  async setVringAddr(index: number, addresses: VringUserAddresses): Promise<void> {
    if (this.#memory === undefined) throw new TypeError('setVringAddr before setMemTable');
    vhost.setVringAddr(this.#device(index), index & 1, this.#memory.ring(addresses));
    return Promise.resolve();
  }

  async setVringKick(index: number, fd: number | undefined): Promise<void> {
    vhost.setVringEvent(this.#device(index), 'kick', index & 1, fd);
    return Promise.resolve();
  }

  /** The kernel is kicked by eventfds. */
  doorbell(): undefined {
    return undefined;
  }

  async setVringCall(index: number, fd: number | undefined): Promise<void> {
    vhost.setVringEvent(this.#device(index), 'call', index & 1, fd);
    return Promise.resolve();
  }

  async setVringErr(index: number, fd: number | undefined): Promise<void> {
    vhost.setVringEvent(this.#device(index), 'err', index & 1, fd);
    return Promise.resolve();
  }

  /** The kernel puts frames only on queues of the tap whose pair is enabled. */
  async setVringEnable(index: number, enabled: boolean): Promise<void> {
    const pair = index >>> 1;
    if (enabled) {
      this.tap.setQueueAttached(pair, true);
      vhost.setBackend(this.#device(index), index & 1, this.tap.fds[pair]);
      this.#enabled.add(index);
    } else {
      vhost.setBackend(this.#device(index), index & 1, undefined);
      this.#enabled.delete(index);
      if (!this.#enabled.has(index ^ 1)) this.tap.setQueueAttached(pair, false);
    }
    return Promise.resolve();
  }

  async getVringBase(index: number): Promise<number> {
    vhost.setBackend(this.#device(index), index & 1, undefined);
    return Promise.resolve(vhost.getVringBase(this.#device(index), index & 1));
  }

  onDown(handler: (reason: VioError) => void): () => void {
    return this.#down.subscribe(handler);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    clearInterval(this.#watch);
    this.#onLink.clear();
    for (const fd of this.#devices) closeFd(fd);
    this.tap.close();
    this.#memory?.[Symbol.dispose]();
    this.#down.close();
  }

  #device(index: number): number {
    return this.#devices[index >>> 1];
  }

  /** The kernel does not tell vhost-net's users when a tap changes, or is deleted under them. */
  #look(): void {
    if (this.down !== undefined) return;
    try {
      const up = this.#isUp();
      if (up === this.#linkUp) return;
      this.#linkUp = up;
      for (const handler of this.#onLink) callApplication(handler);
    } catch (cause) {
      const reason = new VioError(`the tap ${this.tap.name} is gone`, {
        code: 'VIO_TAP_GONE',
        remedy: 'it was deleted: open the port again',
        cause,
      });
      this.#down.tell(reason);
    }
  }

  /** A tap that this process may not look at counts as up. @throws VioError VIO_TAP_GONE */
  #isUp(): boolean {
    try {
      return this.tap.running;
    } catch (error) {
      if (VioError.is(error) && error.code === 'VIO_TAP_ELSEWHERE') return true;
      throw error;
    }
  }
}
