import { UnixStream, VioError, type WaitOptions } from '@vio/native';
import { type OptionNames, callApplication, checkOptions } from '@vio/native/internal';
import {
  type ConfigSpace,
  type DeviceConfig,
  type DeviceControlQueue,
  type InflightNotes,
  type MtuSetting,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_VQ,
} from '@vio/net';
import { configBytes, decodeConfigSpace } from '@vio/net/internal';
import { VIRTIO_F_RING_RESET } from '@vio/rings';
import type { VhostMemorySlots, VhostReset, VhostStatus, VhostTransport } from '../transport.ts';
import {
  type MessageStream,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_NET_MTU,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_STATUS,
  maxMemoryRegions,
  protocolFeatureNames,
  sentRequests as requests,
} from '../wire/index.ts';
import { BackendListener } from './backend-listener.ts';
import { BackendPeer, unsupported } from './backend-peer.ts';
import { defaultProtocolFeatures, usableProtocolFeatures } from './protocol-choice.ts';
import { RequestChannel } from './request-channel.ts';
import { VhostUserRequests } from './vhost-user-requests.ts';

/** How a vhost-user backend is spoken to. */
export interface VhostUserOptions {
  /** Protocol features to use where the backend offers them. Default: `defaultProtocolFeatures`. */
  readonly protocolFeatures?: bigint;
}

const optionNames: OptionNames<VhostUserOptions & WaitOptions> = {
  protocolFeatures: true,
  timeout: true,
  signal: true,
};

/** What is known of a device that says nothing. */
const unknownConfig = decodeConfigSpace(new Uint8Array(0), 0n);

/**
 * The frontend's end of a vhost-user connection (the role QEMU and DPDK's virtio-user play). With REPLY_ACK every
 * request is acknowledged, so that a method resolves when the backend has done it; without, requests that have no
 * answer of their own resolve once they are sent.
 *
 * What belongs to a protocol feature that was not negotiated rejects with VIO_VHOST_UNSUPPORTED, and nothing is sent.
 */
export class VhostUserFrontend extends VhostUserRequests implements VhostTransport, Disposable {
  /** Over vhost-user a ring is reset by stopping it. */
  readonly wantedFeatures = VIRTIO_F_RING_RESET;
  /** DPDK's vhost library offers CTRL_VQ and leaves commands to the frontend; a device that can be given an address hears them. */
  readonly controlQueue: DeviceControlQueue = {
    features: VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_MAC_ADDR,
    channel: undefined,
  };
  readonly maxRegions = maxMemoryRegions;
  readonly #channel: RequestChannel;
  readonly #backend: BackendPeer;
  readonly #wanted: bigint;
  readonly #onConfig = new Set<() => void>();
  #listener: BackendListener | undefined;
  /** Device features offered. */
  #offered = 0n;
  #offersProtocolFeatures = false;

  private constructor(stream: MessageStream, options: VhostUserOptions) {
    checkOptions('VhostUserFrontend', options, optionNames);
    const wanted = options.protocolFeatures ?? defaultProtocolFeatures;
    const unusable = wanted & ~usableProtocolFeatures;
    if (unusable !== 0n) throw unsupported('this frontend', protocolFeatureNames(unusable).join(', '));
    const channel = new RequestChannel(stream);
    const backend = new BackendPeer(channel);
    super(backend);
    this.#wanted = wanted;
    this.#channel = channel;
    this.#backend = backend;
    this.#channel.onDown(() => this.#listener?.[Symbol.dispose]());
  }

  /**
   * Connects to a listening backend.
   * @throws VioError VIO_SOCKET_MISSING, _NOT_A_SOCKET, _REFUSED, _PERMISSION, _PATH_TOO_LONG, VIO_TIMEOUT, VIO_ABORTED
   */
  static async connect(
    path: string,
    options: VhostUserOptions & WaitOptions = {},
  ): Promise<VhostUserFrontend> {
    const { timeout, signal } = options;
    return VhostUserFrontend.adopt(await UnixStream.connect(path, { timeout, signal }), options);
  }

  /** Takes over a connected socket: where this side listened, or one end of a pair. */
  static adopt(stream: MessageStream, options: VhostUserOptions = {}): VhostUserFrontend {
    try {
      return new VhostUserFrontend(stream, options);
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  get down(): VioError | undefined {
    return this.#channel.down;
  }

  get protocolFeatures(): bigint {
    return this.#backend.protocolFeatures;
  }

  get status(): VhostStatus | undefined {
    if (!this.#backend.has(VHOST_USER_PROTOCOL_F_STATUS)) return undefined;
    return { get: (wait) => this.getStatus(wait), set: (status, wait) => this.setStatus(status, wait) };
  }

  get reset(): VhostReset | undefined {
    if (!this.#backend.has(VHOST_USER_PROTOCOL_F_RESET_DEVICE)) return undefined;
    return { device: (wait) => this.resetDevice(wait) };
  }

  get config(): DeviceConfig | undefined {
    if (!this.#backend.has(VHOST_USER_PROTOCOL_F_CONFIG)) return undefined;
    return {
      read: (features, wait) => this.#readConfig(features, wait),
      onChange: (handler) => {
        this.#onConfig.add(handler);
        return () => this.#onConfig.delete(handler);
      },
    };
  }

  get memorySlots(): VhostMemorySlots | undefined {
    if (!this.#backend.has(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) return undefined;
    return { add: (region, wait) => this.addRegion(region, wait) };
  }

  get inflight(): InflightNotes | undefined {
    if (!this.#backend.has(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD)) return undefined;
    return {
      get: (queues, queueSize, wait) => this.getInflight(queues, queueSize, wait),
      set: (area, fd, wait) => this.setInflight(area, fd, wait),
    };
  }

  get mtu(): MtuSetting | undefined {
    if (!this.#backend.has(VHOST_USER_PROTOCOL_F_NET_MTU)) return undefined;
    return { set: (mtu, wait) => this.setMtu(mtu, wait) };
  }

  async getFeatures(options: WaitOptions = {}): Promise<bigint> {
    const { value: offered } = await this.#backend.ask(requests.GET_FEATURES, undefined, options);
    this.#offersProtocolFeatures = (offered & VHOST_USER_F_PROTOCOL_FEATURES) !== 0n;
    if (this.#offersProtocolFeatures && this.#backend.negotiated === undefined) {
      const { value: mask } = await this.#backend.ask(requests.GET_PROTOCOL_FEATURES, undefined, options);
      const chosen = mask & this.#wanted;
      await this.#backend.tell(requests.SET_PROTOCOL_FEATURES, chosen, options);
      this.#backend.negotiated = chosen;
      await this.#listen(options);
    }
    this.#offered = offered;
    return offered & ~VHOST_USER_F_PROTOCOL_FEATURES;
  }

  setFeatures(features: bigint, options: WaitOptions = {}): Promise<void> {
    const bit = this.#offersProtocolFeatures ? VHOST_USER_F_PROTOCOL_FEATURES : 0n;
    return this.#backend.tell(requests.SET_FEATURES, features | bit, options);
  }

  /** @throws VioError VIO_VHOST_UNSUPPORTED for disabling without bit 30, and as every request */
  async setVringEnable(index: number, enabled: boolean, options: WaitOptions = {}): Promise<void> {
    if (this.#offersProtocolFeatures) {
      return this.#backend.tell(requests.SET_VRING_ENABLE, { index, value: enabled ? 1 : 0 }, options);
    }
    if (!enabled) throw unsupported('disabling a ring', 'VHOST_USER_F_PROTOCOL_FEATURES');
  }

  /** The backend is kicked by its eventfds. */
  doorbell(): undefined {
    return undefined;
  }

  onDown(handler: (reason: VioError) => void): () => void {
    return this.#channel.onDown(handler);
  }

  close(): void {
    this.#listener?.[Symbol.dispose]();
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The configuration space (CONFIG), as far as the backend offers its fields. One that cannot read it says nothing. */
  async #readConfig(features: bigint, options: WaitOptions = {}): Promise<ConfigSpace> {
    const fields = features & this.#offered;
    const bytes = configBytes(fields);
    if (bytes === 0) return unknownConfig;
    try {
      return decodeConfigSpace(await this.getConfig(0, bytes, options), fields);
    } catch (error) {
      if (VioError.is(error) && error.code === 'VIO_VHOST_REFUSED') return unknownConfig;
      throw error;
    }
  }

  /** Hears of changes of the configuration where the backend can tell of them. */
  async #listen(wait: WaitOptions): Promise<void> {
    if (!this.#backend.has(VHOST_USER_PROTOCOL_F_BACKEND_REQ | VHOST_USER_PROTOCOL_F_CONFIG)) return;
    const options = {
      acknowledges: this.#backend.has(VHOST_USER_PROTOCOL_F_REPLY_ACK),
      configChanged: () => {
        for (const handler of this.#onConfig) callApplication(handler);
      },
      failed: (reason: VioError) => this.#channel.fail(reason),
    };
    this.#listener = await BackendListener.open(options, (fd, o) => this.setBackendRequestFd(fd, o), wait);
  }
}
