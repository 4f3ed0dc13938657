import {
  type BurstTap,
  Capture,
  type PacketBurst,
  type PortCaptureOptions,
  type QueueStats,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  showTo,
  watchedQueues,
} from '@vio/net';
import { type BufferPool, type DumpOptions, type RingDump, dumpRing } from '@vio/rings';
import type { DriverSettings } from '../control/driver-settings.ts';
import type { DeviceConfig } from './device-config.ts';
import { deviceStats } from './device-stats.ts';
import { DeviceTaps } from './device-taps.ts';
import type { ServedDevice } from './served-device.ts';

/** Bursts between two looks at whether the driver took its memory away; a power of two. */
const burstsPerLook = 64;

/** For tests: the internal side of a device. */
export let servedSide: (device: VhostDevice) => ServedDevice;

/** What a device says of itself in its configuration space, and what its driver changed of that. */
export type DeviceConfigView = Readonly<Pick<DeviceConfig, 'announcing' | 'mac' | 'space'>>;

/**
 * One connected frontend: its features, settings and counters, and the bursts in and out of its rings. Rings are numbered as
 * the driver does: even ones are its receive queues (`enqueueBurst`), odd ones its transmit queues (`dequeueBurst`). Its
 * frontend builds it up and takes it down; what is here changes nothing of that.
 */
export class VhostDevice {
  readonly #served: ServedDevice;
  /** Null, and free of cost, while nobody looks at the packets. */
  #taps: DeviceTaps | null = null;
  #bursts = 0;

  static {
    servedSide = (device) => device.#served;
  }

  constructor(served: ServedDevice) {
    this.#served = served;
  }

  /** Number of the device in this process, from 0. */
  get vid(): number {
    return this.#served.vid;
  }

  /** Negotiated device features; 0 before SET_FEATURES. */
  get features(): bigint {
    return this.#served.features;
  }

  /** Negotiated protocol features; 0 before SET_PROTOCOL_FEATURES. */
  get protocolFeatures(): bigint {
    return this.#served.protocolFeatures;
  }

  /** Device status as the frontend set it (virtio 1.4, 2.1); 0 for frontends that do not say it. */
  get status(): number {
    return this.#served.status;
  }

  /** Bytes of the largest packet, as the frontend announced in NET_SET_MTU; 0 when it did not. */
  get mtu(): number {
    return this.#served.mtu;
  }

  /** True between the callbacks newDevice and destroyDevice. */
  get running(): boolean {
    return this.#served.running;
  }

  /** What the driver has asked for by its control queue; as at first for one that has none. */
  get settings(): DriverSettings {
    return this.#served.settings;
  }

  /** What it says of itself, and whether it asks its driver to announce itself. */
  get config(): DeviceConfigView {
    return this.#served.config;
  }

  /** Which ring is the control queue (virtio 1.4, section 5.1.2); -1: there is none. */
  get controlQueue(): number {
    return this.#served.controlQueue;
  }

  /** Queue pairs from the first on that are enabled, and in use as far as a control queue says so; at least 1. */
  get pairsInUse(): number {
    const { vrings } = this.#served;
    let pairs = 0;
    while (2 * pairs + 1 < vrings.length && vrings[2 * pairs].told && vrings[2 * pairs + 1].told) pairs++;
    return Math.max(1, pairs);
  }

  /** Rings that are ready to run, from ring 0 on without a gap. */
  get queueCount(): number {
    const { vrings } = this.#served;
    const gap = vrings.findIndex((vring) => !vring.ready);
    return gap === -1 ? vrings.length : gap;
  }

  /**
   * Delivers packets to a receive queue of the driver (an even ring). They stay the caller's: the data is copied.
   * @returns how many were dealt with; fewer than `count` when the driver supplied too few buffers
   */
  enqueueBurst(
    queue: number,
    burst: PacketBurst,
    from = 0,
    count = burst.count - from,
    pool = burst.pool,
  ): number {
    const served = this.#served;
    const vring = served.vrings[queue];
    const path = vring?.enqueue ?? null;
    if (path === null || !vring.enabled || !vring.inUse || count <= 0 || pool === null) return 0;
    const n = path.run(pool, burst, from, count);
    if (n > 0 && path.queue.callNeeded()) vring.signal();
    if (this.#taps !== null) showTo(this.#taps.of(queue), pool, burst, from, from + n);
    if (path.queue.broken !== null) served.break(vring, path.queue.broken);
    if ((++this.#bursts & (burstsPerLook - 1)) === 0) served.lookAtMemory();
    return n;
  }

  /**
   * Takes up to `max` packets from a transmit queue of the driver (an odd ring) into buffers of `pool`, which belong
   * to the caller then.
   * @returns how many, which is also `burst.count`
   */
  dequeueBurst(queue: number, pool: BufferPool, burst: PacketBurst, max = burst.capacity): number {
    const served = this.#served;
    const vring = served.vrings[queue];
    const path = vring?.dequeue ?? null;
    burst.count = 0;
    burst.pool = pool;
    if (path === null || !vring.inUse) return 0;
    let n = 0;
    if (vring.enabled) n = path.run(pool, burst, max);
    else path.drain();
    if (path.queue.callNeeded()) vring.signal();
    if (this.#taps !== null) showTo(this.#taps.of(queue), pool, burst, 0, n);
    if (path.queue.broken !== null) served.break(vring, path.queue.broken);
    if ((++this.#bursts & (burstsPerLook - 1)) === 0) served.lookAtMemory();
    return n;
  }

  /**
   * Captures what passes through this device from now on; `rx` and pairs as in `stats`: seen from the backend.
   * @throws RangeError when the device has no such pair, or an option is out of range
   */
  capture(options: PortCaptureOptions = {}): Capture {
    const pairs = Array.from({ length: Math.ceil(this.#served.vrings.length / 2) }, (_, pair) => pair);
    const ends = {
      rx: pairs.map((pair) => this.#tapped(2 * pair + 1)),
      tx: pairs.map((pair) => this.#tapped(2 * pair)),
    };
    return new Capture(watchedQueues(ends, options), options);
  }

  /**
   * A ring as it lies in the driver's memory at this moment, broken or not; null while the driver has not said where it
   * is. For a person: `ringDumpText(name, dump)`.
   */
  dumpRing(queue: number, options: DumpOptions = {}): RingDump | null {
    const { memory, vrings, features } = this.#served;
    const view = memory === null ? null : (vrings[queue]?.view(memory, features) ?? null);
    return view === null ? null : dumpRing(view, options);
  }

  /**
   * Asks the driver to announce itself on the network, as after a move (GUEST_ANNOUNCE).
   * @returns false when it did not negotiate that
   */
  announce(): boolean {
    const { features, config } = this.#served;
    if ((features & VIRTIO_NET_F_GUEST_ANNOUNCE) === 0n) return false;
    config.announcing = true;
    config.changed();
    return true;
  }

  /** Calls (interrupts) sent to the driver, on all rings. */
  get guestNotifications(): number {
    return this.#served.vrings.reduce((sum, vring) => sum + vring.calls, 0);
  }

  /** Counters of a ring, null if it never ran. */
  queueStats(queue: number): QueueStats | null {
    return this.#served.vrings[queue]?.stats ?? null;
  }

  /**
   * All counters of all rings, named as DPDK names the statistics of its vhost rings: `rx_q0_good_packets` is what the
   * backend received from its first pair, which is the driver's ring 1. `errors` and what comes after the notifications
   * is not DPDK's.
   */
  stats(): Record<string, number> {
    return deviceStats(this.#served.vrings);
  }

  #tapped(queue: number): { watch(tap: BurstTap): void; unwatch(tap: BurstTap): void } {
    return {
      watch: (tap) => {
        this.#taps ??= new DeviceTaps();
        this.#taps.add(queue, tap);
      },
      unwatch: (tap) => {
        if (this.#taps?.delete(queue, tap) === true) this.#taps = null;
      },
    };
  }
}
