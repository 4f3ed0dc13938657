import { VioError, type WaitOptions } from '@vio/native';
import { checkWait, throwLater, shortTimeout } from '@vio/native/internal';
import { NetPort, type NetPortParts } from '../port/net-port.ts';
import type { QueuePairHandle } from '../port/worker-port.ts';
import type { RssLimits } from '../rss/hash-types.ts';
import { portSource } from '../telemetry/port-source.ts';
import { Telemetry } from '../telemetry/telemetry.ts';
import {
  type TelemetryOptions,
  type TelemetryServer,
  serveTelemetry,
} from '../telemetry/telemetry-server.ts';
import { announce } from './life/announce.ts';
import { type ConfigHandlers, ConfigWatch } from './life/config-watch.ts';
import type { PortLife } from './life/port-life.ts';
import { reconnect } from './life/reconnect.ts';
import { type QueueName, resetQueue } from './life/reset-queue.ts';
import type { Duplex } from './link-speed.ts';
import type { PortReconnect } from './port-options.ts';

/** What `openPort` makes a port of. */
export interface DevicePortParts extends NetPortParts {
  /** Of a detached port: its queue pairs. */
  readonly handles: readonly QueuePairHandle[];
  /** Mbit/s. */
  readonly speed: number;
  /** Duplex of the link. */
  readonly duplex: Duplex;
  /** Bytes. */
  readonly mtu: number | undefined;
  /** Names of features that were asked for and are not there. */
  readonly missing: readonly string[];
  /** The link is up, as far as the device has said. */
  readonly linkUp: boolean;
  /** Device, memory, queues and what else outlives a device. */
  readonly life: PortLife;
}

/** A virtio-net port on a device. Made by `openPort`; everything it holds, the device with it, goes with `close`. */
export class DevicePort extends NetPort implements AsyncDisposable {
  /** Of a port opened with `detached`: its queue pairs, each for one other thread (`WorkerPort.open`). */
  readonly handles: readonly QueuePairHandle[];
  /** Mbit/s, as the options or else the device say; `unknownSpeed` (0xffffffff): nobody does. */
  readonly speed: number;
  /** As the device says. */
  readonly duplex: Duplex;
  /** Bytes behind the Ethernet header that frames may have, as the options or else the device say; undefined: nobody does. */
  readonly mtu: number | undefined;
  /** Features that were asked for, by options or default, and that the device does not have: `IN_ORDER`, ... */
  readonly missing: readonly string[];
  /** How often the device had the port make itself known to the network. */
  announcements = 0;
  /** Times a device came in place of one that went. */
  reconnects = 0;
  /** Of those, how often the new one went on where the old one had ended. */
  resumed = 0;
  readonly #life: PortLife;
  readonly #stopping = new AbortController();
  #watch: ConfigWatch | undefined;
  #closing: Promise<void> | undefined;
  readonly #telemetry = new Set<TelemetryServer>();

  /** @internal Made by `openPort`. */
  constructor(parts: DevicePortParts) {
    super(parts);
    this.handles = parts.handles;
    this.speed = parts.speed;
    this.duplex = parts.duplex;
    this.mtu = parts.mtu;
    this.missing = parts.missing;
    this.#life = parts.life;
    if (!parts.linkUp) this.setLink({ up: false });
    this.#follow(parts.linkUp);
  }

  /** What the device can do of receive-side scaling and hash reports; undefined: nothing, or it does not say. */
  get rss(): RssLimits | undefined {
    return this.control.rssLimits ?? undefined;
  }

  /**
   * Gives one queue a fresh ring while the others go on: a queue that broke works again. Packets on the ring are given
   * up. Nobody may receive on the queue meanwhile.
   * @throws VioError VIO_FEATURE_MISSING when the device cannot (RING_RESET), and what ends a device; RangeError when the
   *   port has no such queue
   */
  async resetQueue(name: QueueName, wait: WaitOptions = {}): Promise<void> {
    checkWait('resetQueue', wait);
    return resetQueue(this.#life, name, wait);
  }

  /**
   * Adds buffers to the pool while packets move, in memory that is shared with the device for them. For a port opened
   * with `memory: { maxBuffers }`.
   * @param buffers at least so many, as far as `maxBuffers` goes; whole pages of them are added
   * @returns how many were added
   * @throws VioError VIO_POOL_FULL; VIO_VHOST_UNSUPPORTED when the device does not take more memory
   *   (CONFIGURE_MEM_SLOTS), VIO_VHOST_REFUSED when it takes no more; VIO_TIMEOUT, VIO_ABORTED
   */
  async growPool(buffers: number, wait: WaitOptions = {}): Promise<number> {
    checkWait('growPool', wait);
    const { memory, device } = this.#life;
    return memory.grow(this.pool, buffers, device.memorySlots, wait);
  }

  /**
   * Lets other programs of this user look at the port while it runs, by a Unix socket; see `serveTelemetry` of this package. It
   * ends with the port. Several ports on one socket: a `Telemetry` with a `portSource` for each.
   * @param path of the socket
   * @throws VioError VIO_SOCKET_*, VIO_OPTION_UNKNOWN
   */
  serveTelemetry(path: string, options: TelemetryOptions = {}): TelemetryServer {
    const telemetry = new Telemetry();
    const server = serveTelemetry(path, telemetry, options);
    telemetry.add(portSource(this, this.mac));
    this.#telemetry.add(server);
    return server;
  }

  /**
   * Stops the device and gives everything back. A device that does not answer is left behind after a second. Idempotent,
   * never throws.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Hears of the device that serves the port now. @param linkUp what the port says of its link */
  #follow(linkUp: boolean): void {
    const { device, accepted, control } = this.#life;
    const serves = (): boolean => !this.closed && device.down === undefined;
    if (device.config !== undefined) {
      const handlers: ConfigHandlers = {
        link: (up) => {
          if (serves()) this.setLink({ up });
        },
        announce: async () => {
          const done = serves() && !this.gone && (await announce(this));
          if (done) this.announcements++;
          return done;
        },
      };
      this.#watch = new ConfigWatch(device.config, accepted, handlers, linkUp);
    }
    device.onDown((reason) => {
      if (this.closed) return;
      this.#watch?.[Symbol.dispose]();
      control.end();
      this.setLink({ up: false, reason });
      const options = this.#life.reconnect;
      if (options !== undefined && !this.closed) void this.#reconnect(options);
    });
  }

  async #reconnect(options: PortReconnect): Promise<void> {
    const begin = performance.now();
    const life = this.#life;
    for (const { tx } of life.pairs) tx.pause();
    life.device.close();
    try {
      const { signal } = this.#stopping;
      const { device, attempts, resumed } = await reconnect(
        life,
        options,
        () => this.mac,
        signal,
        (failed) => {
          // A device that is not there yet is what the port waits for; what does not mend itself is news.
          if (!failed.reason.retryable) this.explainLink(failed.reason);
          this.emit('retry', failed);
        },
      );
      if (this.closed) {
        device.close();
        return;
      }
      life.device = device;
      this.reconnects++;
      if (resumed) this.resumed++;
      this.#follow(true);
      this.setLink({ up: true });
      this.emit('reconnect', { attempts, downtime: performance.now() - begin, resumed });
    } catch (reason) {
      // Closed meanwhile, or given up: `link` says why it stays down.
      if (this.closed) return;
      if (VioError.is(reason)) this.explainLink(reason);
      else throwLater(reason);
    }
  }

  async #close(): Promise<void> {
    const { device, control, memory, events, inflight } = this.#life;
    this.end();
    for (const server of this.#telemetry) await server[Symbol.asyncDispose]();
    this.#stopping.abort();
    this.#watch?.[Symbol.dispose]();
    control[Symbol.dispose]();
    await device.stop({ timeout: shortTimeout });
    events[Symbol.dispose]();
    inflight?.[Symbol.dispose]();
    memory[Symbol.dispose]();
    device.close();
    this.removeAllListeners();
  }
}
