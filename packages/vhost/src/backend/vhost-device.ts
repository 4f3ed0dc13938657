import type { PacketBurst, QueueStats } from '@vio/net';
import type { BufferPool, QueueFault } from '@vio/rings';
import { VHOST_USER_F_PROTOCOL_FEATURES } from '../wire/index.ts';
import { BurstCopier } from './burst-copier.ts';
import type { DriverMemory } from './driver-memory.ts';
import { Vring } from './vring.ts';

/** What a device tells its owner; see `VhostDriver.callbacks`. */
export interface DeviceListener {
  newDevice(device: VhostDevice): void;
  destroyDevice(device: VhostDevice): void;
  vringStateChanged(device: VhostDevice, queue: number, enabled: boolean): void;
  broken(device: VhostDevice, queue: number, fault: QueueFault): void;
  featuresChanged(device: VhostDevice, features: bigint): void;
}

const DRIVER_OK = 4;

/**
 * One connected frontend: its memory, features and rings, and the bursts in and out of them. Rings are numbered as
 * the driver does: even ones are its receive queues (`enqueueBurst`), odd ones its transmit queues (`dequeueBurst`).
 */
export class VhostDevice {
  /** Number of the device in this process, from 0. */
  readonly vid: number;
  /** Negotiated device features. */
  features = 0n;
  protocolFeatures = 0n;
  /** Device status as the frontend set it (virtio 1.4, 2.1). */
  status = 0;
  /** What the frontend announced in NET_SET_MTU; 0 when it did not. */
  mtu = 0;
  /** True between the callbacks newDevice and destroyDevice. */
  running = false;
  /** Calls (interrupts) sent to the driver. */
  guestNotifications = 0;
  readonly #listener: DeviceListener;
  readonly #vrings: Vring[] = [];
  readonly #usesStatus: () => boolean;
  #memory: DriverMemory | null = null;
  #copier: BurstCopier | null = null;

  constructor(vid: number, listener: DeviceListener, usesStatus: () => boolean) {
    this.vid = vid;
    this.#listener = listener;
    this.#usesStatus = usesStatus;
  }

  /** Rings that are ready to run, from ring 0 on without a gap. */
  get queueCount(): number {
    const gap = this.#vrings.findIndex((vring) => !vring.ready);
    return gap === -1 ? this.#vrings.length : gap;
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
    const vring = this.#vrings[queue];
    const path = vring?.enqueue ?? null;
    if (path === null || !vring.enabled || count <= 0 || pool === null) return 0;
    const n = path.run(pool, burst, from, count);
    if (n > 0) this.#notify(vring, path.queue.callNeeded());
    if (path.queue.broken !== null) this.#broken(vring, path.queue.broken);
    return n;
  }

  /**
   * Takes up to `max` packets from a transmit queue of the driver (an odd ring) into buffers of `pool`, which belong
   * to the caller then.
   * @returns how many, which is also `burst.count`
   */
  dequeueBurst(queue: number, pool: BufferPool, burst: PacketBurst, max = burst.capacity): number {
    const vring = this.#vrings[queue];
    const path = vring?.dequeue ?? null;
    burst.count = 0;
    burst.pool = pool;
    if (path === null) return 0;
    let n = 0;
    if (vring.enabled) n = path.run(pool, burst, max);
    else path.drain();
    if (path.queue.callNeeded()) this.#notify(vring, true);
    if (path.queue.broken !== null) this.#broken(vring, path.queue.broken);
    return n;
  }

  /** Counters of a ring, null while it does not run. */
  queueStats(queue: number): QueueStats | null {
    const vring = this.#vrings[queue];
    return vring?.enqueue?.stats ?? vring?.dequeue?.stats ?? null;
  }

  /** For the message handlers: the ring of that number, made on first use. */
  vring(index: number): Vring {
    for (let i = this.#vrings.length; i <= index; i++) this.#vrings.push(new Vring(i));
    return this.#vrings[index];
  }

  /** For the message handlers: replaces the driver's memory; running rings go on in the new one. */
  setMemory(memory: DriverMemory): void {
    for (const vring of this.#vrings) vring.pause();
    this.#memory?.[Symbol.dispose]();
    this.#memory = memory;
    this.#copier = new BurstCopier(memory);
    this.update();
  }

  /** For the message handlers: the features the frontend accepted. */
  setFeatures(features: bigint): void {
    if (features === this.features) return;
    this.features = features;
    this.#listener.featuresChanged(this, features);
  }

  /** For the message handlers: enables a ring or not, and tells. */
  setEnabled(vring: Vring, enabled: boolean): void {
    if (vring.enabled === enabled) return;
    vring.enabled = enabled;
    if (this.running) this.#listener.vringStateChanged(this, vring.index, enabled);
  }

  /** For the message handlers: runs what has become ready, and tells when the device as a whole has. */
  update(): void {
    const memory = this.#memory;
    const copier = this.#copier;
    if (memory === null || copier === null) return;
    if (this.#usesStatus() && (this.status & DRIVER_OK) === 0) return;
    for (const vring of this.#vrings) {
      if (!vring.ready || vring.running) continue;
      vring.run(memory, copier, this.features);
      // Without protocol features a started ring is enabled.
      if ((this.features & VHOST_USER_F_PROTOCOL_FEATURES) === 0n) vring.enabled = true;
    }
    if (this.running || this.queueCount < 2) return;
    this.running = true;
    this.#listener.newDevice(this);
    for (const vring of this.#vrings) {
      if (vring.enabled) this.#listener.vringStateChanged(this, vring.index, true);
    }
  }

  /** For the message handlers: a ring stops, and with it the device. @returns the ring's base */
  stopVring(vring: Vring): number {
    this.#destroy();
    return vring.stop();
  }

  /** For the message handlers: everything as at first. */
  reset(): void {
    this.#destroy();
    for (const vring of this.#vrings) vring.close();
    this.#vrings.length = 0;
    this.status = 0;
  }

  /** The connection is over: gives everything back. */
  close(): void {
    this.reset();
    this.#memory?.[Symbol.dispose]();
    this.#memory = null;
    this.#copier = null;
  }

  #destroy(): void {
    if (!this.running) return;
    this.running = false;
    this.#listener.destroyDevice(this);
  }

  #notify(vring: Vring, needed: boolean): void {
    if (!needed || vring.call === null) return;
    this.guestNotifications++;
    vring.call.signal();
  }

  readonly #brokenRings = new Set<number>();

  #broken(vring: Vring, fault: QueueFault): void {
    if (this.#brokenRings.has(vring.index)) return;
    this.#brokenRings.add(vring.index);
    vring.err?.signal();
    this.#listener.broken(this, vring.index, fault);
  }
}
