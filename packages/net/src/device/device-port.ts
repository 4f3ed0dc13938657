import { VioError, type WaitOptions } from '@vio/native';
import { checkOptions, checkWait, throwLater, shortTimeout } from '@vio/native/internal';
import { NetPort, type NetPortParts } from '../port/net-port.ts';
import { linkDownError } from '../port/port-errors.ts';
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
import {
  type VlanOffload,
  setMtu,
  setVlanOffload,
  startQueues,
  stopQueues,
  turnQueue,
} from './life/port-operations.ts';
import { reconnect } from './life/reconnect.ts';
import { resetQueue } from './life/reset-queue.ts';
import type { Duplex } from './link-speed.ts';
import type { PortReconnect } from './port-options.ts';
import { type QueueName, queueNumber } from './queues/queue-name.ts';

/** What `openPort` makes a port of. */
export interface DevicePortParts extends NetPortParts {
  /** Of a detached port: its queue pairs. */
  readonly handles: readonly QueuePairHandle[];
  /** Mbit/s. */
  readonly speed: number | undefined;
  /** Duplex of the link. */
  readonly duplex: Duplex;
  /** Bytes, as the device says. */
  readonly deviceMtu: number | undefined;
  /** Names of features that were asked for and are not there. */
  readonly missing: readonly string[];
  /** What is not as it was asked for, and no reason to fail. */
  readonly warnings: readonly VioError[];
  /** The link is up, as far as the device has said. */
  readonly linkUp: boolean;
  /** Device, memory, queues and what else outlives a device. */
  readonly life: PortLife;
}

/** A virtio-net port on a device. Made by `openPort`; everything it holds, the device with it, goes with `close`. */
export class DevicePort extends NetPort implements AsyncDisposable {
  /** Of a port opened with `detached`: its queue pairs, each for one other thread (`WorkerPort.open`). */
  readonly handles: readonly QueuePairHandle[];
  /** Mbit/s, as the options or else the device say; undefined: nobody does. */
  readonly speed: number | undefined;
  /** As the device says. */
  readonly duplex: Duplex;
  /** Features that were asked for, by options or default, and that the device does not have: `IN_ORDER`, ... */
  readonly missing: readonly string[];
  /**
   * What was asked for and is otherwise: VIO_QUEUE_SIZE for a ring of another size. The event `warning` tells of each soon after the
   * port was opened.
   */
  readonly warnings: readonly VioError[];
  /** How often the device had the port make itself known to the network. */
  announcements = 0;
  /** Times a device came in place of one that went. */
  reconnects = 0;
  /** Of those, how often the new one went on where the old one had ended. */
  resumed = 0;
  readonly #life: PortLife;
  readonly #deviceMtu: number | undefined;
  /** The link is up, as far as the device says. */
  #deviceUp: boolean;
  /** Ends what looks for a device; undefined: nothing has. */
  #closer: AbortController | undefined;
  #watch: ConfigWatch | undefined;
  #closing: Promise<void> | undefined;
  readonly #telemetry = new Set<TelemetryServer>();

  /** @internal Made by `openPort`. */
  constructor(parts: DevicePortParts) {
    super(parts);
    this.handles = parts.handles;
    this.speed = parts.speed;
    this.duplex = parts.duplex;
    this.#deviceMtu = parts.deviceMtu;
    this.#deviceUp = parts.linkUp;
    this.missing = parts.missing;
    this.warnings = parts.warnings;
    if (parts.warnings.length > 0) setImmediate(() => this.#warn());
    this.#life = parts.life;
    if (!parts.linkUp) this.setLink({ up: false });
    this.#follow(parts.linkUp);
  }

  /**
   * Bytes behind the Ethernet header that frames may have, as `setMtu`, the options or else the device say; undefined: nobody
   * does.
   */
  get mtu(): number | undefined {
    return this.rules.mtu ?? this.#deviceMtu;
  }

  /** What the device can do of receive-side scaling and hash reports; undefined: nothing, or it does not say. */
  get rss(): RssLimits | undefined {
    return this.control.rssLimits ?? undefined;
  }

  /**
   * Starts the port again after `stop`: all queues but those of `deferredStart`. What the device delivered meanwhile is dropped,
   * and counted as `dropped_stopped_packets`, by a queue in another thread when that thread looks at it. The link is what the device says. Idempotent.
   * @throws VioError VIO_LINK_DOWN when the port is closed
   */
  async start(): Promise<void> {
    await Promise.resolve();
    if (this.closed) throw linkDownError(this.link);
    if (!this.stopped) return;
    startQueues(this.#life);
    if (!this.gone && this.#deviceUp) this.setLink({ up: true });
    // An announcement that was asked for meanwhile can be made now.
    this.#watch?.look();
  }

  /**
   * Stops the port without closing it, as `rte_eth_dev_stop` does: no packet passes its queues, in whichever thread they are, and
   * its link is down, without a reason. Whoever sends is told VIO_PORT_STOPPED, whoever reads waits. Rings and buffers stay where they
   * are, packets on transmit rings go out, counters go on, and commands reach the device. A thread that is in the middle of a
   * burst finishes that. Idempotent, never throws.
   */
  stop(): Promise<void> {
    if (!this.closed && !this.stopped) {
      stopQueues(this.#life);
      if (this.link.up) this.setLink({ up: false });
    }
    return Promise.resolve();
  }

  /**
   * Starts a queue that was stopped, or whose start was deferred (`deferredStart`). A receive queue drops what the device delivered
   * meanwhile.
   * @throws VioError VIO_PORT_STOPPED while the whole port is; RangeError when the port has no such queue
   */
  async startQueue(name: QueueName): Promise<void> {
    await Promise.resolve(turnQueue(this.#life, name, true));
  }

  /**
   * Stops a queue while the others go on: a receive queue takes no packets, and gives the device no buffers; whoever sends on a
   * transmit queue is told VIO_QUEUE_STOPPED. It starts again by `startQueue`, or with the port.
   * @throws as `startQueue`
   */
  async stopQueue(name: QueueName): Promise<void> {
    await Promise.resolve(turnQueue(this.#life, name, false));
  }

  /** Whether packets pass a queue: it and the port are started. @throws RangeError when the port has no such queue */
  isQueueStarted(name: QueueName): boolean {
    const { switches, pairs } = this.#life;
    return !switches.isStopped(queueNumber(name, pairs.length));
  }

  /**
   * Changes the MTU while packets move: larger frames are dropped and counted from now on, in all threads. A device that was told the
   * MTU when it started is told the new one.
   * @param mtu bytes behind the Ethernet header, 68 to 9710
   * @throws VioError VIO_MTU when it is out of range, more than the device's, or more than a buffer holds without MRG_RXBUF;
   *   VIO_TIMEOUT, VIO_ABORTED
   */
  async setMtu(mtu: number, wait: WaitOptions = {}): Promise<void> {
    checkWait('setMtu', wait);
    await setMtu(this.#life, mtu, this.#deviceMtu, wait);
  }

  /**
   * Changes what is done to VLAN tags while packets move, in all threads. Bursts must be those of `NetPort.burst`.
   * @throws VioError VIO_CONTROL_UNSUPPORTED for a filter without CTRL_VLAN, VIO_CONTROL_REFUSED, VIO_TIMEOUT, VIO_ABORTED,
   *   VIO_OPTION_UNKNOWN
   */
  async setVlanOffload(offload: VlanOffload, wait: WaitOptions = {}): Promise<void> {
    checkOptions('setVlanOffload', offload, { strip: true, insert: true, filter: true });
    checkWait('setVlanOffload', wait);
    await setVlanOffload(this.#life, offload, wait);
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
   * @throws VioError VIO_POOL_FULL; VIO_FEATURE_MISSING when the device does not take more memory
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

  /** Once whoever opened the port has had an opportunity to listen. */
  #warn(): void {
    for (const warning of this.warnings) if (!this.closed) this.emit('warning', warning);
  }

  /** Hears of the device that serves the port now. @param linkUp what the port says of its link */
  #follow(linkUp: boolean): void {
    const { device, accepted, control } = this.#life;
    const serves = (): boolean => !this.closed && device.down === undefined;
    if (device.config !== undefined) {
      const handlers: ConfigHandlers = {
        link: (up) => {
          this.#deviceUp = up;
          if (serves() && !this.stopped) this.setLink({ up });
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
      this.#closer ??= new AbortController();
      const { signal } = this.#closer;
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
      this.#deviceUp = true;
      this.#follow(true);
      this.renewLink(!this.stopped);
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
    this.#closer?.abort();
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
