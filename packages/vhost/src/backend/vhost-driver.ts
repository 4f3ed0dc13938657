import { setTimeout } from 'node:timers/promises';
import { UnixListener, UnixStream, VioError } from '@vio/native';
import {
  type ControlCommand,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  supportedHashTypes,
} from '@vio/net';
import type { QueueFault } from '@vio/rings';
import {
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_STATUS,
  protocolFeatureNames,
} from '../wire/index.ts';
import { BackendConnection, asVioError } from './connection.ts';
import { rssLimits } from './control/acceptable.ts';
import { type CommonConfig, DeviceConfig } from './device-config.ts';
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
}

/** The events of DPDK's rte_vhost_device_ops, and what this library can say besides. */
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
}

const reconnectMilliseconds = 1000;

const mostQueuePairs = 128;
/** A ring has a number of eight bits in messages: behind 128 pairs there is none left for a control queue. */
const mostPairsWithControl = 127;

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
  readonly #connections = new Set<BackendConnection>();
  readonly #devices = new Set<VhostDevice>();
  #started = false;
  readonly #stopping = new AbortController();

  private constructor(path: string, flags: VhostDriverFlags) {
    this.path = path;
    this.#flags = flags;
  }

  /** Makes a driver for a socket; nothing happens before `start`. */
  static register(path: string, flags: VhostDriverFlags = {}): VhostDriver {
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
   * Queue pairs offered, 1 to 128, and to 127 with a control queue. Default: as many as possible.
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

  /** Who is told of devices; replaces what was given before. */
  callbacks(callbacks: VhostCallbacks): void {
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
    await Promise.all(Array.from(this.#connections, (connection) => connection.end(closed(this.path))));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #mostPairs(): number {
    return (this.#features & VIRTIO_NET_F_CTRL_VQ) === 0n ? mostQueuePairs : mostPairsWithControl;
  }

  /** QEMU warns of a configuration space that it does not look at: it is offered where there is something in it. */
  #usualProtocolFeatures(): bigint {
    const spoken =
      configFeatures(this.#config) | (this.#features & (hashFeatures | VIRTIO_NET_F_GUEST_ANNOUNCE));
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
        this.#serve(await listener.accept({ signal: this.#stopping.signal }));
      } catch {
        // Closed, or out of descriptors: the next round tries again, not at once.
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

  #serve(stream: UnixStream, onEnd: () => void = () => {}): void {
    const queuePairs = Math.min(this.#queuePairs ?? mostQueuePairs, this.#mostPairs());
    const device = new VhostDevice(
      nextVid++,
      {
        newDevice: (d) => this.#callbacks.newDevice?.(d),
        destroyDevice: (d) => this.#callbacks.destroyDevice?.(d),
        vringStateChanged: (d, queue, enabled) => this.#callbacks.vringStateChanged?.(d, queue, enabled),
        broken: (d, queue, fault) => this.#callbacks.broken?.(d, queue, fault),
        featuresChanged: (d, features) => this.#callbacks.featuresChanged?.(d, features),
        command: (d, command) => this.#callbacks.command?.(d, command) !== false,
        failed: (_, error) => queueMicrotask(() => void connection.end(asVioError(error))),
      },
      queuePairs,
      () => (device.protocolFeatures & VHOST_USER_PROTOCOL_F_STATUS) !== 0n,
      new DeviceConfig(() => this.#commonConfig(queuePairs)),
    );
    const context = {
      device,
      offered: this.#features | configFeatures(this.#config) | VHOST_USER_F_PROTOCOL_FEATURES,
      offeredProtocol: this.#protocolFeatures ?? this.#usualProtocolFeatures(),
      queuePairs,
      announced: (mac: string) => this.#callbacks.announced?.(device, mac),
    };
    const connection = new BackendConnection(stream, context, {
      refused: (reason) => this.#callbacks.refused?.(device, reason),
      ended: (reason) => {
        this.#devices.delete(device);
        device.close();
        this.#callbacks.destroyConnection?.(device, reason);
        void connection
          .end(reason)
          .then(() => this.#connections.delete(connection))
          .then(onEnd);
      },
    });
    this.#connections.add(connection);
    this.#devices.add(device);
    try {
      this.#callbacks.newConnection?.(device);
    } catch (error) {
      void connection.end(asVioError(error));
    }
  }
}

/** Does not keep the process alive; the signal cuts it short. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return setTimeout(milliseconds, undefined, { ref: false, signal }).catch(() => {});
}

function queueCount(pairs: number, most: number): VioError {
  return new VioError(`${pairs} queue pairs cannot be offered`, {
    code: 'VIO_QUEUE_COUNT',
    remedy: `offer 1 to ${most}${most === mostQueuePairs ? '' : ', because of the control queue'}`,
  });
}

function startedBefore(path: string): VioError {
  return new VioError(`the backend on ${path} was started or closed before`, {
    code: 'VIO_VHOST_STARTED',
    remedy: 'start a driver once; register another one to serve again',
  });
}

function closed(path: string): VioError {
  return new VioError(`the backend on ${path} was closed`, {
    code: 'VIO_VHOST_CLOSED',
    remedy: 'nothing to mend: this side ended it',
  });
}
