import { UnixListener, UnixStream, type VioError } from '@vio/native';
import { callApplication, checkOptions } from '@vio/native/internal';
import { Telemetry, type TelemetryOptions, type TelemetryServer, serveTelemetry } from '@vio/net';
import { networkCard } from '@vio/net/internal';
import { VHOST_USER_PROTOCOL_F_MQ } from '../../wire/index.ts';
import type { NetConfig } from '../type/net-config.ts';
import type { VhostDevice } from '../device/vhost-device.ts';
import type { DeviceOffer } from '../offer/device-offer.ts';
import { closed, notNet, notSocket, startedBefore, withoutFlag } from './driver-errors.ts';
import { type VhostDriverFlags, checkFlags, servingOptions, withheldProtocol } from './driver-flags.ts';
import { NetOffer } from '../offer/net-offer.ts';
import type { ExternHandlers } from '../protocol/extern-handlers.ts';
import { VdpaOffer } from '../offer/vdpa-offer.ts';
import * as vdpaErrors from '../vdpa/vdpa-errors.ts';
import type { VdpaDevice } from '../vdpa/vdpa-device.ts';
import { Sessions } from './sessions.ts';
import { acceptFrontends, connectAgain, connectOnce } from './socket-roles.ts';
import { VduseRole, defaultStateDirectory, isVdusePath } from './vduse-role.ts';
import { WatchedDevices } from '../telemetry/watched-devices.ts';
import { TypeOffer } from '../offer/type-offer.ts';
import { type VhostCallbacks, callbackNames } from './vhost-callbacks.ts';

const defaultMaxConnections = 1024;
/** Milliseconds. */
const defaultHandshakeTimeout = 10_000;
/** Milliseconds. */
const defaultRetry = 1000;

/** A vhost-user socket and the devices behind it, or a device on the kernel's vdpa bus (VDUSE), in the shape of DPDK's vhost library. */
export class VhostDriver implements AsyncDisposable {
  /** Of the socket, or of the VDUSE device. */
  readonly path: string;
  readonly #flags: VhostDriverFlags;
  readonly #offer: DeviceOffer;
  /** The same, of a network card. */
  readonly #netOffer: NetOffer | undefined;
  readonly #sessions: Sessions;
  #callbacks: VhostCallbacks = {};
  #extern: ExternHandlers<VhostDevice> = {};
  #listener: UnixListener | undefined;
  #vduse: VduseRole | undefined;
  #started = false;
  readonly #stopping = new AbortController();
  readonly #watched = new WatchedDevices();
  readonly #telemetry = new Set<TelemetryServer>();

  private constructor(path: string, flags: VhostDriverFlags) {
    this.path = path;
    this.#flags = flags;
    const { client, handshakeTimeout = defaultHandshakeTimeout } = flags;
    // Whom this side has connected to was chosen, and speaks when it is ready.
    const patience = client === true ? Number.POSITIVE_INFINITY : handshakeTimeout;
    if (flags.type === undefined) this.#offer = this.#netOffer = new NetOffer(flags.iommuSupport);
    else this.#offer = new TypeOffer(flags.type);
    this.#sessions = new Sessions(
      path,
      this.#offer,
      () => this.#callbacks,
      () => this.#extern,
      patience,
      servingOptions(flags),
      withheldProtocol(flags),
      this.#watched,
    );
  }

  /**
   * Makes a driver for a socket, or for a device of the kernel's vdpa bus (`/dev/vduse/NAME`); nothing happens before `start`.
   * @throws VioError VIO_OPTION_UNKNOWN for a flag there is not, VIO_OPTION_CONFLICT, VIO_OPTION_VALUE, VIO_VHOST_DEVICE_TYPE for a type that makes no sense
   */
  static register(path: string, flags: VhostDriverFlags = {}): VhostDriver {
    checkFlags(flags, isVdusePath(path));
    return new VhostDriver(path, flags);
  }

  /** Device features offered to frontends that connect from now on. */
  get features(): bigint {
    const { vdpaDevice } = this;
    return this.#offer.features & (vdpaDevice === undefined ? -1n : vdpaDevice.features);
  }

  /** Protocol features offered to frontends that connect from now on. */
  get protocolFeatures(): bigint {
    return this.#offered.protocolFeatures() & ~withheldProtocol(this.#flags);
  }

  /** Queue pairs offered to frontends that connect from now on, and ask for their number; of a device of another type, queues. */
  get queueNum(): number {
    return this.#offered.shape(() => VHOST_USER_PROTOCOL_F_MQ).queueNum;
  }

  /** @throws VioError VIO_VHOST_UNSUPPORTED_FEATURES for bits this library does not implement */
  setFeatures(mask: bigint): void {
    this.#offer.features = mask;
  }

  /** Offers more. @throws VioError VIO_VHOST_UNSUPPORTED_FEATURES */
  enableFeatures(mask: bigint): void {
    this.#offer.features |= mask;
  }

  /** Offers less. */
  disableFeatures(mask: bigint): void {
    this.#offer.features &= ~mask;
  }

  /**
   * Queue pairs offered, 1 to 128, and to 127 with a control queue, which comes with several pairs by itself. Default: 127, or 31
   * to frontends that do not ask for their number.
   * @throws VioError VIO_QUEUE_COUNT; VIO_VHOST_DEVICE_TYPE unless the devices are network cards
   */
  setQueueNum(pairs: number): void {
    this.#net('setQueueNum').setQueuePairs(pairs);
  }

  /**
   * Protocol features offered to frontends that connect from now on. Default: all that are implemented, CONFIG only where
   * the configuration space has something to say.
   * @throws VioError VIO_VHOST_UNSUPPORTED_FEATURES
   */
  setProtocolFeatures(mask: bigint): void {
    const withheld = mask & withheldProtocol(this.#flags);
    if (withheld !== 0n) throw withoutFlag(withheld);
    this.#offer.setProtocolFeatures(mask);
  }

  /**
   * What devices say of themselves in their configuration space, and so whether MAC, STATUS and MTU are offered to
   * frontends that connect from now on. Frontends that are there are told of the change, if they want to know.
   * @throws VioError VIO_VHOST_NET_CONFIG; VIO_VHOST_DEVICE_TYPE unless the devices are network cards
   */
  setNetConfig(config: NetConfig): void {
    this.#net('setNetConfig').setConfig(config);
    this.configChanged();
  }

  /** What the configuration space of the device type says has changed: tells the frontends that want to know. */
  configChanged(): void {
    this.#vduse?.configChanged();
    this.#sessions.configChanged();
  }

  /**
   * Handlers of messages before and after those of this library, for all frontends; replaces what was given before.
   * @throws VioError VIO_OPTION_UNKNOWN
   */
  externHandlers(handlers: ExternHandlers<VhostDevice>): void {
    checkOptions('VhostDriver.externHandlers', handlers, { before: true, after: true });
    this.#extern = handlers;
  }

  /** The vDPA device that works on the rings of frontends that connect from now on; undefined: this process does. */
  get vdpaDevice(): VdpaDevice | undefined {
    return this.#sessions.vdpa;
  }

  /**
   * Has a vDPA device work on the rings of frontends that connect from now on, one at a time: packets do not pass this process, bursts
   * move nothing. What is offered is what this library and the device can do. The device stays the caller's.
   * @throws VioError VIO_VDPA_ATTACHED when there is one; VIO_VHOST_DEVICE_TYPE unless it and the devices are network cards;
   *   VIO_OPTION_CONFLICT with iommuSupport, and for /dev/vduse
   */
  attachVdpaDevice(device: VdpaDevice): void {
    this.#net('attachVdpaDevice');
    if (isVdusePath(this.path)) throw notSocket('attachVdpaDevice');
    if (this.vdpaDevice !== undefined) throw vdpaErrors.alreadyAttached(this.path, this.vdpaDevice.name);
    if (device.deviceType !== networkCard) throw vdpaErrors.otherType(device.name, device.deviceType);
    if (this.#flags.iommuSupport === true) throw vdpaErrors.withIommu(device.name);
    this.#sessions.vdpa = device;
  }

  /**
   * Takes the vDPA device back: this process serves frontends that connect from now on. Connections that it works for end
   * (VIO_VDPA_DETACHED). Nothing happens without one.
   * @returns a promise that resolves when the device has let go of them
   */
  async detachVdpaDevice(): Promise<void> {
    const device = this.vdpaDevice;
    if (device === undefined) return;
    this.#sessions.vdpa = undefined;
    await this.#sessions.endVdpa(device, vdpaErrors.detached(device.name));
  }

  /** Who is told of devices; replaces what was given before. @throws VioError VIO_OPTION_UNKNOWN for one nobody would call */
  callbacks(callbacks: VhostCallbacks): void {
    checkOptions('VhostDriver.callbacks', callbacks, callbackNames);
    this.#callbacks = callbacks;
  }

  /**
   * Begins to serve. As a server: listens when this resolves. As a client: resolves when connected with
   * `noReconnect`, else at once, and keeps trying. A VDUSE device is there when this resolves.
   * @throws VioError VIO_SOCKET_*; VIO_VDUSE_*; VIO_VHOST_STARTED when it was started or closed before; VIO_QUEUE_COUNT for 128 queue
   *   pairs and a control queue; VIO_OPTION_CONFLICT for iommuSupport without the protocol features it takes
   */
  async start(): Promise<void> {
    const { signal } = this.#stopping;
    if (this.#started || signal.aborted) throw startedBefore(this.path);
    this.#offer.check();
    this.#started = true;
    const {
      client,
      noReconnect,
      asyncConnect,
      retry = defaultRetry,
      maxConnections = defaultMaxConnections,
    } = this.#flags;
    if (isVdusePath(this.path)) {
      this.#vduse = this.#vduseRole(retry);
      this.#vduse.start();
    } else if (client !== true) {
      this.#listener = UnixListener.listen(this.path, this.#flags.socket);
      const refused = (reason: VioError): void =>
        callApplication(() => this.#callbacks.connectionRefused?.(reason));
      void acceptFrontends(this.#listener, this.#sessions, maxConnections, refused, signal);
    } else if (noReconnect === true && asyncConnect === true) {
      void connectOnce(this.path, this.#sessions, retry, signal);
    } else if (noReconnect === true) {
      this.#sessions.serve(await UnixStream.connect(this.path, { signal }));
    } else {
      void connectAgain(this.path, this.#sessions, retry, signal);
    }
  }

  /**
   * Lets other programs of this user look at the devices while they run, by a Unix socket; see `serveTelemetry` of @vio/net. It
   * ends with the driver.
   * @param path of the socket
   * @throws VioError VIO_SOCKET_*, VIO_OPTION_UNKNOWN
   */
  serveTelemetry(path: string, options: TelemetryOptions = {}): TelemetryServer {
    const telemetry = new Telemetry();
    const server = serveTelemetry(path, telemetry, options);
    this.#watched.showTo(telemetry);
    this.#telemetry.add(server);
    return server;
  }

  /** Ends all connections (their devices are destroyed) and removes the socket. Idempotent. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#listener?.close();
    this.#listener = undefined;
    for (const server of this.#telemetry) await server[Symbol.asyncDispose]();
    this.#vduse?.end(closed(this.path));
    await this.#sessions.end(closed(this.path));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #offered(): DeviceOffer {
    return this.vdpaDevice === undefined ? this.#offer : new VdpaOffer(this.#offer, this.vdpaDevice);
  }

  #vduseRole(retry: number): VduseRole {
    const { type, noReconnect = false, stateDirectory } = this.#flags;
    return new VduseRole(
      {
        path: this.path,
        offer: this.#offer,
        id: type?.id,
        callbacks: () => this.#callbacks,
        serving: servingOptions(this.#flags),
        watched: this.#watched,
        stateDirectory: stateDirectory ?? defaultStateDirectory(),
      },
      noReconnect ? undefined : retry,
    );
  }

  #net(what: string): NetOffer {
    if (this.#netOffer !== undefined) return this.#netOffer;
    throw notNet(what, this.#flags.type?.name ?? '');
  }
}
