import { setTimeout } from 'node:timers/promises';
import {
  type OptionNames,
  UnixListener,
  UnixStream,
  VioError,
  callApplication,
  checkOptions,
  throwLater,
} from '@vio/native';
import {
  type ControlCommand,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_MQ,
  supportedHashTypes,
} from '@vio/net';
import type { QueueFault } from '@vio/rings';
import {
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_STATUS,
  protocolFeatureNames,
} from '../wire/index.ts';
import { BackendConnection } from './connection.ts';
import { rssLimits } from './control/acceptable.ts';
import { type CommonConfig, DeviceConfig } from './device-config.ts';
import {
  closed,
  mostQueuePairs,
  noDescriptors,
  queueCount,
  startedBefore,
  tooMany,
} from './driver-errors.ts';
import { hashFeatures, supportedFeatures, usualFeatures } from './device-features.ts';
import { supportedProtocolFeatures } from './handlers.ts';
import { type NetConfig, checkNetConfig, configFeatures } from './net-config.ts';
import { VhostDevice } from './vhost-device.ts';

export interface VhostDriverFlags {
  /** Connect to the socket, the frontend listens; default false: listen. */
  readonly client?: boolean;
  /** As a client: try once instead of again and again until there is somebody. */
  readonly noReconnect?: boolean;
  /** As a client: milliseconds between two attempts. Default 1000, as in DPDK. */
  readonly retry?: number;
  /** Frontends that may be connected at once; who comes then is refused. Default 1024. */
  readonly maxConnections?: number;
  /**
   * As a server: milliseconds a frontend has for its first request, and for the rest of one that has begun to arrive. Default
   * 10,000; Infinity waits for ever.
   */
  readonly handshakeTimeout?: number;
}

/**
 * The events of DPDK's rte_vhost_device_ops, and what this library can say besides. One that throws ends the connection of its
 * device, and destroyConnection is told VIO_VHOST_INTERNAL, with what was thrown as the cause. What cannot be told so (it was
 * thrown while the connection ended, belongs to no connection, or nobody has given destroyConnection) is an
 * `uncaughtException` on a later tick.
 */
export interface VhostCallbacks {
  /** A device has become ready, with its first queue pair: its rings may be used from now on. */
  newDevice?(device: VhostDevice): void;
  /** A device stops: its rings may not be used any more when this returns. */
  destroyDevice?(device: VhostDevice): void;
  /** A ring runs and is enabled from now on, or not any more. For the first rings this comes before newDevice. */
  vringStateChanged?(device: VhostDevice, queue: number, enabled: boolean): void;
  featuresChanged?(device: VhostDevice, features: bigint): void;
  newConnection?(device: VhostDevice): void;
  /** The connection is over, and why. */
  destroyConnection?(device: VhostDevice, reason: VioError): void;
  /** A request was refused, and the frontend was told so (REPLY_ACK); the connection goes on. */
  refused?(device: VhostDevice, reason: VioError): void;
  /**
   * The driver gives a command on its control queue, which the device can carry out; what it asks for is in
   * `device.settings` when this returns. False refuses it.
   */
  command?(device: VhostDevice, command: ControlCommand): boolean | void;
  /**
   * The frontend asks that the network be told where an address is now, as after a migration (SEND_RARP): send
   * `rarpFrame(mac)` of `@vio/net` wherever this device's packets go.
   */
  announced?(device: VhostDevice, mac: string): void;
  /** A ring stopped because its driver wrote nonsense; the others go on. */
  broken?(device: VhostDevice, queue: number, fault: QueueFault): void;
  /**
   * The frontend `said` (null: not at all) that a packed ring goes on where it cannot, as QEMU does after a backend was killed,
   * and user-mode Linux with a fresh ring. It goes on at `base`, which the ring itself says; one that does not is `broken` with
   * BASE_UNKNOWN.
   */
  baseCorrected?(device: VhostDevice, queue: number, said: number | null, base: number): void;
  /** A frontend was not let in: there are too many (VIO_VHOST_CONNECTIONS), or no descriptor is left (VIO_SYS_EMFILE). */
  connectionRefused?(reason: VioError): void;
  /**
   * A request of this frontend waits, because this process has no room for the descriptors it brings. Nothing is lost: of the
   * connections whose devices do not run, the newest ends (VIO_VHOST_DESCRIPTORS), until there is room.
   */
  exhausted?(device: VhostDevice, reason: VioError): void;
}

const flagNames: OptionNames<VhostDriverFlags> = {
  client: true,
  noReconnect: true,
  retry: true,
  maxConnections: true,
  handshakeTimeout: true,
};
const callbackNames: OptionNames<VhostCallbacks> = {
  newDevice: true,
  destroyDevice: true,
  vringStateChanged: true,
  featuresChanged: true,
  newConnection: true,
  destroyConnection: true,
  refused: true,
  command: true,
  announced: true,
  broken: true,
  baseCorrected: true,
  connectionRefused: true,
  exhausted: true,
};

const defaultMaxConnections = 1024;
/** Milliseconds. */
const defaultHandshakeTimeout = 10_000;

const reconnectMilliseconds = 1000;

/** A ring has a number of eight bits in messages: behind 128 pairs there is none left for a control queue. */
const mostPairsWithControl = 127;
/** For frontends without GET_QUEUE_NUM (MQ), unless a number was set: user-mode Linux gives a device of more than 64 rings up. */
const pairsOfOthers = 31;

let nextVid = 0;

/** A vhost-user socket and the devices behind it, in the shape of DPDK's vhost library. */
export class VhostDriver implements AsyncDisposable {
  readonly path: string;
  readonly #flags: VhostDriverFlags;
  #features = usualFeatures;
  /** As the application said; null: as many as there can be. */
  #queuePairs: number | null = null;
  /** As the application said; null: all that make sense. */
  #protocolFeatures: bigint | null = null;
  #config: NetConfig = {};
  #callbacks: VhostCallbacks = {};
  #listener: UnixListener | null = null;
  /** From the oldest to the newest. */
  readonly #connections = new Map<BackendConnection, VhostDevice>();
  readonly #devices = new Set<VhostDevice>();
  #started = false;
  readonly #stopping = new AbortController();

  private constructor(path: string, flags: VhostDriverFlags) {
    this.path = path;
    this.#flags = flags;
  }

  /** Makes a driver for a socket; nothing happens before `start`. @throws VioError VIO_OPTION_UNKNOWN for a flag there is not */
  static register(path: string, flags: VhostDriverFlags = {}): VhostDriver {
    checkOptions('VhostDriver.register', flags, flagNames);
    return new VhostDriver(path, flags);
  }

  /** Device features offered to frontends that connect from now on. */
  get features(): bigint {
    return this.#features;
  }

  /** @throws VioError VIO_VHOST_UNSUPPORTED_FEATURES for bits this library does not implement */
  setFeatures(mask: bigint): void {
    if ((mask & ~supportedFeatures) !== 0n) {
      throw new VioError(`features 0x${(mask & ~supportedFeatures).toString(16)} are not implemented`, {
        code: 'VIO_VHOST_UNSUPPORTED_FEATURES',
        remedy: `offer a subset of 0x${supportedFeatures.toString(16)}`,
      });
    }
    this.#features = mask;
  }

  /** Offers more. @throws VioError VIO_VHOST_UNSUPPORTED_FEATURES */
  enableFeatures(mask: bigint): void {
    this.setFeatures(this.#features | mask);
  }

  /** Offers less. */
  disableFeatures(mask: bigint): void {
    this.#features &= ~mask;
  }

  /**
   * Queue pairs offered, 1 to 128, and to 127 with a control queue, which comes with several pairs by itself. Default: 127, or 31
   * to frontends that do not ask for their number.
   * @throws VioError VIO_QUEUE_COUNT
   */
  setQueueNum(pairs: number): void {
    if (!Number.isInteger(pairs) || pairs < 1 || pairs > mostQueuePairs)
      throw queueCount(pairs, mostQueuePairs);
    this.#queuePairs = pairs;
  }

  /**
   * Protocol features offered to frontends that connect from now on. Default: all that are implemented, CONFIG only where
   * the configuration space has something to say.
   * @throws VioError VIO_VHOST_UNSUPPORTED_FEATURES
   */
  setProtocolFeatures(mask: bigint): void {
    if ((mask & ~supportedProtocolFeatures) !== 0n) {
      const names = protocolFeatureNames(mask & ~supportedProtocolFeatures).join(', ');
      throw new VioError(`the protocol features ${names} are not implemented`, {
        code: 'VIO_VHOST_UNSUPPORTED_FEATURES',
        remedy: `offer some of ${protocolFeatureNames(supportedProtocolFeatures).join(', ')}`,
      });
    }
    this.#protocolFeatures = mask;
  }

  /**
   * What devices say of themselves in their configuration space, and so whether MAC, STATUS and MTU are offered to
   * frontends that connect from now on. Frontends that are there are told of the change, if they want to know.
   * @throws VioError VIO_VHOST_NET_CONFIG
   */
  setNetConfig(config: NetConfig): void {
    checkNetConfig(config);
    this.#config = config;
    for (const device of this.#devices) device.config.changed();
  }

  /** Who is told of devices; replaces what was given before. @throws VioError VIO_OPTION_UNKNOWN for one nobody would call */
  callbacks(callbacks: VhostCallbacks): void {
    checkOptions('VhostDriver.callbacks', callbacks, callbackNames);
    this.#callbacks = callbacks;
  }

  /**
   * Begins to serve. As a server: listens when this resolves. As a client: resolves when connected with
   * `noReconnect`, else at once, and keeps trying.
   * @throws VioError VIO_SOCKET_*; VIO_VHOST_STARTED when it was started or closed before; VIO_QUEUE_COUNT for 128 queue
   *   pairs and a control queue
   */
  async start(): Promise<void> {
    if (this.#started || this.#stopping.signal.aborted) throw startedBefore(this.path);
    const most = this.#mostPairs();
    if (this.#queuePairs !== null && this.#queuePairs > most) throw queueCount(this.#queuePairs, most);
    this.#started = true;
    if (this.#flags.client !== true) {
      this.#listener = UnixListener.listen(this.path);
      void this.#acceptLoop(this.#listener);
    } else if (this.#flags.noReconnect === true) {
      this.#serve(await UnixStream.connect(this.path, { signal: this.#stopping.signal }));
    } else {
      void this.#connectLoop();
    }
  }

  /** Ends all connections (their devices are destroyed) and removes the socket. Idempotent. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#listener?.close();
    this.#listener = null;
    await Promise.all(
      Array.from(this.#connections.keys(), (connection) => connection.end(closed(this.path))),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #mostPairs(): number {
    return (this.#features & VIRTIO_NET_F_CTRL_VQ) === 0n ? mostQueuePairs : mostPairsWithControl;
  }

  /**
   * Several pairs (MQ) come with a control queue, by which drivers say how many they use: Linux gives a device without one up
   * (virtio 1.4, section 5.1.3.1). QEMU and DPDK's frontend, which answer their drivers' commands themselves, take MQ alone and
   * leave CTRL_VQ. One pair is no reason for MQ, and behind 128 pairs there is no number left for a control queue.
   */
  #offered(queuePairs: number): bigint {
    if (queuePairs === 1) return this.#features & ~VIRTIO_NET_F_MQ;
    const several = (this.#features & VIRTIO_NET_F_MQ) !== 0n && queuePairs <= mostPairsWithControl;
    return several ? this.#features | VIRTIO_NET_F_CTRL_VQ : this.#features;
  }

  /**
   * QEMU warns of a configuration space that it does not look at: it is offered where there is something in it, as the
   * number of pairs for drivers that bring several into use.
   */
  #usualProtocolFeatures(queuePairs: number): bigint {
    const spoken =
      configFeatures(this.#config) |
      (this.#offered(queuePairs) & (hashFeatures | VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_NET_F_MQ));
    return spoken === 0n
      ? supportedProtocolFeatures & ~VHOST_USER_PROTOCOL_F_CONFIG
      : supportedProtocolFeatures;
  }

  #commonConfig(maxPairs: number): CommonConfig {
    const { mac, linkUp = true, mtu } = this.#config;
    const hashes = (this.#features & hashFeatures) !== 0n;
    return {
      mac,
      linkUp,
      mtu,
      maxPairs,
      ...(hashes ? { rss: { ...rssLimits, hashTypes: supportedHashTypes } } : {}),
    };
  }

  async #acceptLoop(listener: UnixListener): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        const stream = await listener.accept({ signal: this.#stopping.signal });
        if (this.#devices.size < (this.#flags.maxConnections ?? defaultMaxConnections)) this.#serve(stream);
        else {
          stream.close();
          this.#refuse(tooMany(this.path, this.#devices.size));
        }
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        if (VioError.is(error)) this.#refuse(error);
        // Out of descriptors: the next round tries again, not at once.
        await pause(10, this.#stopping.signal);
      }
    }
  }

  async #connectLoop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const stream = await UnixStream.connect(this.path, { signal });
        await new Promise<void>((resolve) => this.#serve(stream, resolve));
      } catch {
        // Nobody there yet: that is what the next round is for.
      }
      await pause(this.#flags.retry ?? reconnectMilliseconds, signal);
    }
  }

  #refuse(reason: VioError): void {
    callApplication(() => this.#callbacks.connectionRefused?.(reason));
  }

  /** For a request that waits for descriptors: the newest connection that serves nobody makes room. */
  #makeRoom(): void {
    const idle = Array.from(this.#connections).filter(
      ([, device]) => this.#devices.has(device) && !device.running,
    );
    void idle.at(-1)?.[0].end(noDescriptors());
  }

  #serve(stream: UnixStream, onEnd: () => void = () => {}): void {
    const asked = this.#queuePairs;
    const most = asked ?? mostPairsWithControl;
    const queuePairs = (): number =>
      asked ?? ((device.protocolFeatures & VHOST_USER_PROTOCOL_F_MQ) === 0n ? pairsOfOthers : most);
    const call = (callback: (callbacks: VhostCallbacks) => void): void => {
      try {
        callback(this.#callbacks);
      } catch (error) {
        connection.applicationFailed(error);
      }
    };
    const device = new VhostDevice(
      nextVid++,
      {
        newDevice: (d) => call((to) => to.newDevice?.(d)),
        destroyDevice: (d) => call((to) => to.destroyDevice?.(d)),
        vringStateChanged: (d, queue, enabled) => call((to) => to.vringStateChanged?.(d, queue, enabled)),
        broken: (d, queue, fault) => call((to) => to.broken?.(d, queue, fault)),
        baseCorrected: (d, queue, said, base) => call((to) => to.baseCorrected?.(d, queue, said, base)),
        featuresChanged: (d, features) => call((to) => to.featuresChanged?.(d, features)),
        command: (d, command) => this.#callbacks.command?.(d, command) !== false,
        failed: (_, error) => connection.applicationFailed(error),
      },
      queuePairs,
      () => (device.protocolFeatures & VHOST_USER_PROTOCOL_F_STATUS) !== 0n,
      new DeviceConfig(() => this.#commonConfig(queuePairs())),
    );
    const context = {
      device,
      offered: this.#offered(most) | configFeatures(this.#config) | VHOST_USER_F_PROTOCOL_FEATURES,
      offeredProtocol: this.#protocolFeatures ?? this.#usualProtocolFeatures(most),
      get queuePairs() {
        return queuePairs();
      },
      announced: (mac: string) => call((to) => to.announced?.(device, mac)),
    };
    const listener = {
      refused: (reason: VioError) => call((to) => to.refused?.(device, reason)),
      exhausted: (reason: VioError, first: boolean) => {
        if (first) call((to) => to.exhausted?.(device, reason));
        this.#makeRoom();
      },
      ended: (reason: VioError) => {
        this.#devices.delete(device);
        callApplication(() => device.close());
        if (this.#callbacks.destroyConnection !== undefined)
          call((to) => to.destroyConnection?.(device, reason));
        else if (reason.code === 'VIO_VHOST_INTERNAL') throwLater(reason.cause);
        void connection
          .end(reason)
          .then(() => this.#connections.delete(connection))
          .then(onEnd);
      },
    };
    // Whom this side has connected to was chosen, and speaks when it is ready.
    const { client, handshakeTimeout = defaultHandshakeTimeout } = this.#flags;
    const patience = client === true ? Number.POSITIVE_INFINITY : handshakeTimeout;
    const connection = new BackendConnection(stream, context, listener, patience);
    this.#connections.set(connection, device);
    this.#devices.add(device);
    call((to) => to.newConnection?.(device));
  }
}

/** Does not keep the process alive; the signal cuts it short. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return setTimeout(milliseconds, undefined, { ref: false, signal }).catch(() => {});
}
