import { UnixStream, VioError, type WaitOptions } from '@vio/native';
import { type OptionNames, callApplication, checkOptions } from '@vio/native/internal';
import {
  type ConfigSpace,
  type DeviceConfig,
  type DeviceControlQueue,
  type InflightArea,
  type InflightNotes,
  type MtuSetting,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_VQ,
} from '@vio/net';
import { configBytes, decodeConfigSpace } from '@vio/net/internal';
import { VIRTIO_F_RING_RESET } from '@vio/rings';
import type {
  SharedRegion,
  VhostMemorySlots,
  VhostReset,
  VhostStatus,
  VhostTransport,
  VringUserAddresses,
} from '../transport.ts';
import {
  type ConfigPart,
  type Inflight,
  type LogArea,
  type MemoryRegion,
  type MessageStream,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_NET_MTU,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_STATUS,
  frontendRequests as requests,
  maxMemoryRegions,
  maxVrings,
  messageError,
  protocolFeatureNames,
} from '../wire/index.ts';
import { BackendListener } from './backend-listener.ts';
import { BackendPeer, refused, unsupported } from './backend-peer.ts';
import { defaultProtocolFeatures, usableProtocolFeatures } from './protocol-choice.ts';
import { RequestChannel } from './request-channel.ts';

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
export class VhostUserFrontend implements VhostTransport, Disposable {
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
    this.#wanted = options.protocolFeatures ?? defaultProtocolFeatures;
    const unusable = this.#wanted & ~usableProtocolFeatures;
    if (unusable !== 0n) throw unsupported('this frontend', protocolFeatureNames(unusable).join(', '));
    this.#channel = new RequestChannel(stream);
    this.#backend = new BackendPeer(this.#channel);
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

  setOwner(options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_OWNER, undefined, options);
  }

  async queueNum(options: WaitOptions = {}): Promise<number> {
    if ((this.protocolFeatures & VHOST_USER_PROTOCOL_F_MQ) === 0n) return 1;
    const { value } = await this.#backend.ask(requests.GET_QUEUE_NUM, undefined, options);
    return Math.min(value, maxVrings / 2);
  }

  setMemTable(regions: readonly SharedRegion[], options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(
      requests.SET_MEM_TABLE,
      regions,
      options,
      regions.map(({ fd }) => fd),
    );
  }

  setVringNum(index: number, size: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_VRING_NUM, { index, value: size }, options);
  }

  setVringBase(index: number, base: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_VRING_BASE, { index, value: base }, options);
  }

  setVringAddr(index: number, addresses: VringUserAddresses, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_VRING_ADDR, { index, flags: 0, log: 0, ...addresses }, options);
  }

  setVringKick(index: number, fd: number | undefined, options: WaitOptions = {}): Promise<void> {
    return this.#setEvent(requests.SET_VRING_KICK, index, fd, options);
  }

  /** The backend is kicked by its eventfds. */
  doorbell(): undefined {
    return undefined;
  }

  setVringCall(index: number, fd: number | undefined, options: WaitOptions = {}): Promise<void> {
    return this.#setEvent(requests.SET_VRING_CALL, index, fd, options);
  }

  setVringErr(index: number, fd: number | undefined, options: WaitOptions = {}): Promise<void> {
    return this.#setEvent(requests.SET_VRING_ERR, index, fd, options);
  }

  #setEvent(
    request: typeof requests.SET_VRING_KICK,
    index: number,
    fd: number | undefined,
    options: WaitOptions,
  ): Promise<void> {
    return this.#backend.tell(
      request,
      { index, hasFd: fd !== undefined },
      options,
      fd === undefined ? [] : [fd],
    );
  }

  /** @throws VioError VIO_VHOST_UNSUPPORTED for disabling without bit 30, and as every request */
  async setVringEnable(index: number, enabled: boolean, options: WaitOptions = {}): Promise<void> {
    if (this.#offersProtocolFeatures) {
      return this.#backend.tell(requests.SET_VRING_ENABLE, { index, value: enabled ? 1 : 0 }, options);
    }
    if (!enabled) throw unsupported('disabling a ring', 'VHOST_USER_F_PROTOCOL_FEATURES');
  }

  async getVringBase(index: number, options: WaitOptions = {}): Promise<number> {
    const { value } = await this.#backend.ask(
      requests.GET_VRING_BASE,
      { index, value: 0 },
      options,
      [],
      (state, answer) => {
        if (state.index !== index) {
          throw messageError('VALUE', answer, 'the vring index', state.index, `${index}`);
        }
      },
    );
    return value.value;
  }

  /** Reads the device status (STATUS). */
  async getStatus(options: WaitOptions = {}): Promise<number> {
    return (await this.#backend.ask(requests.GET_STATUS, undefined, options)).value;
  }

  /** Writes the device status (STATUS). @param status 0 to 255; 0 resets */
  setStatus(status: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_STATUS, status, options);
  }

  // What vhost-user has beyond the common interface.

  /** Stops all rings, in backends that still know it. Deprecated by the protocol. */
  resetOwner(options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.RESET_OWNER, undefined, options);
  }

  /** Back to the initial state; the session stays (RESET_DEVICE). */
  resetDevice(options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.RESET_DEVICE, undefined, options);
  }

  /**
   * Reads device configuration space (CONFIG).
   * @param offset 0 to 255
   * @param size 1 to 256 - offset, bytes
   * @throws VioError VIO_VHOST_REFUSED if the backend cannot read it
   */
  async getConfig(offset: number, size: number, options: WaitOptions = {}): Promise<Uint8Array> {
    const asked = { offset, flags: 0, data: new Uint8Array(size) };
    const { value } = await this.#backend.ask(requests.GET_CONFIG, asked, options, [], (part, answer) => {
      if (part !== undefined && (part.offset !== offset || part.data.length !== size)) {
        const found = `${part.data.length} bytes at ${part.offset}`;
        throw messageError('VALUE', answer, 'the configuration', found, `${size} bytes at ${offset}`);
      }
    });
    if (value === undefined) throw refused('GET_CONFIG', 'an empty answer');
    return value.data;
  }

  /** Writes device configuration space (CONFIG). */
  setConfig(part: ConfigPart, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_CONFIG, part, options);
  }

  /** Tells the backend the MTU (NET_MTU). @param mtu 68 to 65535 bytes */
  setMtu(mtu: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.NET_SET_MTU, mtu, options);
  }

  /** Makes the backend announce a MAC address after a migration (RARP). @param mac 6 bytes */
  sendRarp(mac: Uint8Array, options: WaitOptions = {}): Promise<void> {
    const payload = new Uint8Array(8);
    payload.set(mac.subarray(0, 6));
    return this.#backend.tell(
      requests.SEND_RARP,
      new DataView(payload.buffer).getBigUint64(0, true),
      options,
    );
  }

  /** Regions that `addRegion` may add in all (CONFIGURE_MEM_SLOTS). */
  async getMaxMemSlots(options: WaitOptions = {}): Promise<number> {
    return (await this.#backend.ask(requests.GET_MAX_MEM_SLOTS, undefined, options)).value;
  }

  /** Adds one region to the memory table (CONFIGURE_MEM_SLOTS). */
  addRegion(region: SharedRegion, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.ADD_MEM_REG, region, options, [region.fd]);
  }

  /** Removes a region that was added (CONFIGURE_MEM_SLOTS). */
  removeRegion(region: MemoryRegion, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.REM_MEM_REG, region, options);
  }

  /** Where the backend marks the pages it writes (LOG_SHMFD). @param fd stays the caller's */
  async setLogBase(area: LogArea, fd: number, options: WaitOptions = {}): Promise<void> {
    await this.#backend.ask(requests.SET_LOG_BASE, area, options, [fd]);
  }

  /** The eventfd by which the backend tells that the log changed. Stays the caller's. */
  setLogFd(fd: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_LOG_FD, new Uint8Array(0), options, [fd]);
  }

  /** A buffer to track unfinished work in (INFLIGHT_SHMFD). @returns its `fd` is the caller's to close */
  async getInflight(queues: number, queueSize: number, options: WaitOptions = {}): Promise<InflightArea> {
    const asked = { mmapSize: 0, mmapOffset: 0, queues, queueSize };
    const { value, fds } = await this.#backend.ask(requests.GET_INFLIGHT_FD, asked, options);
    return { ...value, fd: fds[0] };
  }

  /** Gives a backend the buffer of its predecessor (INFLIGHT_SHMFD). @param fd stays the caller's */
  setInflight(area: Inflight, fd: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_INFLIGHT_FD, area, options, [fd]);
  }

  /** The socket over which the backend may send requests (BACKEND_REQ). Stays the caller's. */
  setBackendRequestFd(fd: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_BACKEND_REQ_FD, undefined, options, [fd]);
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
