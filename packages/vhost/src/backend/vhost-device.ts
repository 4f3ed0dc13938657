import {
  type BurstTap,
  Capture,
  type ControlCommand,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_MQ,
  type PacketBurst,
  type PortCaptureOptions,
  type QueueEventName,
  type QueueStats,
  queueCounterNames,
  showTo,
  watchedQueues,
} from '@vio/net';
import {
  type BufferPool,
  type DumpOptions,
  type QueueFault,
  type RingDump,
  dumpRing,
  freshPackedBase,
  ringFeatures,
} from '@vio/rings';
import {
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_MQ,
  type VringAddress,
} from '../wire/index.ts';
import { BurstCopier } from './packets/burst-copier.ts';
import { acceptable } from './control/acceptable.ts';
import { DriverSettings } from './control/driver-settings.ts';
import { DeviceTaps } from './device-taps.ts';
import { DeviceConfig } from './device-config.ts';
import type { DriverMemory } from './driver-memory.ts';
import type { InflightBuffer } from './inflight-buffer.ts';
import { RegionClaims } from './region-claims.ts';
import { vhostError } from './vhost-error.ts';
import { Vring } from './vring.ts';

/** What a device tells its owner; see `VhostDriver.callbacks`. */
export interface DeviceListener {
  newDevice(device: VhostDevice): void;
  destroyDevice(device: VhostDevice): void;
  vringStateChanged(device: VhostDevice, queue: number, enabled: boolean): void;
  broken(device: VhostDevice, queue: number, fault: QueueFault): void;
  baseCorrected(device: VhostDevice, queue: number, said: number | null, base: number): void;
  featuresChanged(device: VhostDevice, features: bigint): void;
  /** A command on the control queue that can be carried out; false: it is refused. */
  command(device: VhostDevice, command: ControlCommand): boolean;
  /** The application threw while a command was carried out. */
  failed(device: VhostDevice, error: unknown): void;
}

const receivedEvents: readonly QueueEventName[] = ['dropped_length_packets', 'dropped_no_room_packets'];
const sentEvents: readonly QueueEventName[] = ['full_rings', 'dropped_no_room_packets'];

const DRIVER_OK = 4;
/** Bursts between two looks at whether the driver took its memory away; a power of two. */
const burstsPerLook = 64;

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
  /** What the driver has asked for by its control queue; as at first for one that has none. */
  readonly settings = new DriverSettings();
  /** What it says of itself. */
  readonly config: DeviceConfig;
  /** For the message handlers: which memory was announced, and how often. */
  readonly claims = new RegionClaims();
  readonly #listener: DeviceListener;
  readonly #queuePairs: () => number;
  readonly #vrings: Vring[] = [];
  readonly #usesStatus: () => boolean;
  #memory: DriverMemory | null = null;
  #copier: BurstCopier | null = null;
  #inflight: InflightBuffer | null = null;
  /** Null, and free of cost, while nobody looks at the packets. */
  #taps: DeviceTaps | null = null;
  #bursts = 0;
  /** SET_FEATURES has come. */
  #featuresSaid = false;

  /** @param queuePairs offered to the frontend */
  constructor(
    vid: number,
    listener: DeviceListener,
    queuePairs: () => number,
    usesStatus: () => boolean,
    config = new DeviceConfig(),
  ) {
    this.vid = vid;
    this.config = config;
    this.#queuePairs = queuePairs;
    this.#listener = listener;
    this.#usesStatus = usesStatus;
  }

  /** Which ring is the control queue (virtio 1.4, section 5.1.2); -1: there is none. */
  get controlQueue(): number {
    if ((this.features & VIRTIO_NET_F_CTRL_VQ) === 0n) return -1;
    return (this.features & VIRTIO_NET_F_MQ) === 0n ? 2 : 2 * this.#queuePairs();
  }

  /** Queue pairs from the first on that are enabled, and in use as far as a control queue says so; at least 1. */
  get pairsInUse(): number {
    let pairs = 0;
    while (
      2 * pairs + 1 < this.#vrings.length &&
      this.#vrings[2 * pairs].told &&
      this.#vrings[2 * pairs + 1].told
    )
      pairs++;
    return Math.max(1, pairs);
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
    if (path === null || !vring.enabled || !vring.inUse || count <= 0 || pool === null) return 0;
    const n = path.run(pool, burst, from, count);
    if (n > 0 && path.queue.callNeeded()) vring.signal();
    if (this.#taps !== null) showTo(this.#taps.of(queue), pool, burst, from, from + n);
    if (path.queue.broken !== null) this.#break(vring, path.queue.broken);
    if ((++this.#bursts & (burstsPerLook - 1)) === 0) this.#lookAtMemory();
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
    if (path === null || !vring.inUse) return 0;
    let n = 0;
    if (vring.enabled) n = path.run(pool, burst, max);
    else path.drain();
    if (path.queue.callNeeded()) vring.signal();
    if (this.#taps !== null) showTo(this.#taps.of(queue), pool, burst, 0, n);
    if (path.queue.broken !== null) this.#break(vring, path.queue.broken);
    if ((++this.#bursts & (burstsPerLook - 1)) === 0) this.#lookAtMemory();
    return n;
  }

  /**
   * Captures what passes through this device from now on; `rx` and pairs as in `stats`: seen from the backend.
   * @throws RangeError when the device has no such pair, or an option is out of range
   */
  capture(options: PortCaptureOptions = {}): Capture {
    const pairs = Array.from({ length: Math.ceil(this.#vrings.length / 2) }, (_, pair) => pair);
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
    const memory = this.#memory;
    const view = memory === null ? null : (this.#vrings[queue]?.view(memory, this.features) ?? null);
    return view === null ? null : dumpRing(view, options);
  }

  /**
   * Asks the driver to announce itself on the network, as after a move (GUEST_ANNOUNCE).
   * @returns false when it did not negotiate that
   */
  announce(): boolean {
    if ((this.features & VIRTIO_NET_F_GUEST_ANNOUNCE) === 0n) return false;
    this.config.announcing = true;
    this.config.changed();
    return true;
  }

  /** Calls (interrupts) sent to the driver, on all rings. */
  get guestNotifications(): number {
    return this.#vrings.reduce((sum, vring) => sum + vring.calls, 0);
  }

  /** Counters of a ring, null if it never ran. */
  queueStats(queue: number): QueueStats | null {
    return this.#vrings[queue]?.stats ?? null;
  }

  /**
   * All counters of all rings, named as DPDK names the statistics of its vhost rings: `rx_q0_good_packets` is what the
   * backend received from its first pair, which is the driver's ring 1. `errors` and what comes after the notifications
   * is not DPDK's.
   */
  stats(): Record<string, number> {
    const all: Record<string, number> = {};
    for (const { index, stats, calls } of this.#vrings) {
      const prefix = `${index % 2 === 1 ? 'rx' : 'tx'}_q${index >> 1}_`;
      if (stats === null) continue;
      Object.assign(
        all,
        stats.toRecord(prefix, queueCounterNames),
        { [`${prefix}guest_notifications`]: calls },
        stats.toRecord(prefix, index % 2 === 1 ? receivedEvents : sentEvents),
      );
    }
    return all;
  }

  /** For the message handlers: the ring of that number, made on first use. */
  vring(index: number): Vring {
    for (let i = this.#vrings.length; i <= index; i++) {
      const vring = new Vring(i);
      vring.inflight = this.#inflight;
      this.#vrings.push(vring);
    }
    return this.#vrings[index];
  }

  /** For the message handlers: the driver's memory, once it was announced. */
  get memory(): DriverMemory | null {
    return this.#memory;
  }

  /** For the message handlers: replaces the driver's memory; running rings go on in the new one at `update`. */
  setMemory(memory: DriverMemory): void {
    for (const vring of this.#vrings) vring.pause();
    this.#memory?.replaceBy(memory);
    this.#memory = memory;
    this.#copier = new BurstCopier(memory.map);
  }

  /** For the message handlers: where rings that begin to run from now on note down what they have in flight. */
  setInflight(inflight: InflightBuffer | null): void {
    this.#inflight?.[Symbol.dispose]();
    this.#inflight = inflight;
    for (const vring of this.#vrings) vring.inflight = inflight;
  }

  /** For the message handlers: true when a ring stopped by itself. */
  get anyBroken(): boolean {
    return this.#vrings.some((vring) => vring.fault !== null);
  }

  /** For the message handlers: true while a ring runs. */
  get anyRunning(): boolean {
    return this.#vrings.some((vring) => vring.running);
  }

  /**
   * For the message handlers: the features the frontend accepted. Rings that run already, because they were started before
   * their device was complete or because they are only disabled, go on with the new ones at `update`.
   * @throws VioError VIO_VHOST_FEATURES when they change while the device runs
   */
  setFeatures(features: bigint): void {
    this.#featuresSaid = true;
    if (features === this.features) return;
    if (this.running && this.#vrings.some((vring) => vring.running && vring.enabled)) {
      throw vhostError('FEATURES', 'the features may not change while the device runs');
    }
    this.#destroy();
    for (const vring of this.#vrings) {
      vring.pause();
      vring.distrustBase();
    }
    this.features = features;
    this.#listener.featuresChanged(this, features);
  }

  /**
   * For the message handlers: runs what has become ready, and tells what changed, in DPDK's order: the rings, then the
   * device, which needs its first pair.
   * @throws VioError VIO_VHOST_RING, VIO_RING_* when a ring cannot run: it waits for other addresses, the rest goes on
   */
  update(): void {
    this.#enableRings();
    try {
      this.#runRings();
    } finally {
      this.#tell();
    }
  }

  /** For the message handlers: a ring stops, and with it the device. @returns the ring's base */
  stopVring(vring: Vring): number {
    this.#destroy();
    const { ran } = vring;
    const base = vring.stop(this.features);
    if (ran) this.#forgetInflight(vring);
    return base;
  }

  /**
   * For the message handlers: where a ring lies. It goes on there at `update`; one that moved, or was disabled before, may be
   * another one.
   */
  place(vring: Vring, addresses: VringAddress): void {
    const before = vring.addresses;
    vring.pause();
    vring.addresses = addresses;
    if (before === null || (vring.enabled && before.descriptors === addresses.descriptors)) return;
    vring.distrustBase();
    // A driver that begins anew has asked for nothing yet (user-mode Linux has no message for a reset).
    if (vring.index === this.controlQueue) this.#forgetCommands();
  }

  /** For the message handlers: a ring that was only disabled is set up anew, and runs again when it is kicked off again. */
  startOver(vring: Vring): void {
    vring.pause();
    vring.distrustBase();
    vring.started = false;
    this.#forgetInflight(vring);
  }

  /** For the message handlers: everything as at first. */
  reset(): void {
    this.#destroy();
    for (const vring of this.#vrings) vring.close();
    this.#vrings.length = 0;
    this.setInflight(null);
    this.status = 0;
    this.#forgetCommands();
  }

  /** The connection is over: gives everything back. */
  close(): void {
    this.reset();
    this.config[Symbol.dispose]();
    this.#memory?.[Symbol.dispose]();
    this.#memory = null;
    this.#copier = null;
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

  #forgetCommands(): void {
    this.settings.reset();
    this.config.mac = null;
  }

  /**
   * Without bit 30 a started ring is enabled. With it a disabled one is drained, which is for frontends that know queue pairs (MQ):
   * of the others none is touched, because it may be gone already. User-mode Linux only disables the rings of a driver that
   * leaves, and gives their memory to others.
   */
  #enableRings(): void {
    const always = (this.features & VHOST_USER_F_PROTOCOL_FEATURES) === 0n;
    const drained = (this.protocolFeatures & VHOST_USER_PROTOCOL_F_MQ) !== 0n;
    for (const vring of this.#vrings) {
      vring.enabled = always || vring.asked === true;
      vring.atRest = !vring.enabled && !drained;
      if (vring.atRest && vring.running) vring.pause();
    }
  }

  #forgetInflight({ index, size }: Vring): void {
    this.#inflight?.stopped(index, ringFeatures(this.features).format, size);
  }

  #destroy(): void {
    if (!this.running) return;
    this.running = false;
    this.#listener.destroyDevice(this);
  }

  #runRings(): void {
    const memory = this.#memory;
    const copier = this.#copier;
    // What a ring looks like is known only once features were accepted.
    if (memory === null || copier === null || !this.#featuresSaid) return;
    if (this.#usesStatus() && (this.status & DRIVER_OK) === 0) return;
    const refused: unknown[] = [];
    const control = this.controlQueue;
    for (const vring of this.#vrings) {
      if (!vring.ready || vring.atRest || vring.running || vring.fault !== null) continue;
      try {
        if (!this.#settleBase(vring, memory)) continue;
        if (vring.index === control) this.#runControl(vring, memory);
        else vring.run(memory, copier, this.features);
      } catch (error) {
        vring.addresses = null;
        refused.push(error);
      }
    }
    if (refused.length > 0) throw refused[0];
  }

  /** @returns false: where the ring goes on cannot be found out, and it is broken */
  #settleBase(vring: Vring, memory: DriverMemory): boolean {
    const said = vring.base;
    const settled = vring.settleBase(memory, this.features);
    if (settled === 'unknown') this.#break(vring, baseUnknown(said));
    else if (settled === 'corrected')
      this.#listener.baseCorrected(this, vring.index, said, vring.base ?? freshPackedBase);
    return settled !== 'unknown';
  }

  #runControl(vring: Vring, memory: DriverMemory): void {
    vring.runControl(
      memory,
      this.features,
      (command) => this.#execute(command),
      (fault) => this.#break(vring, fault),
    );
  }

  /** @returns false to refuse the command */
  #execute(command: ControlCommand): boolean {
    const ready = (pair: number): boolean =>
      2 * pair + 1 < this.#vrings.length && this.#vrings[2 * pair].ready && this.#vrings[2 * pair + 1].ready;
    if (!acceptable(command, this.#queuePairs(), ready)) return false;
    try {
      if (!this.#listener.command(this, command)) return false;
      this.settings.apply(command);
      if (command.kind === 'announce-ack') this.config.announcing = false;
      if (command.kind === 'mac-address') this.config.mac = command.mac;
      this.#tell();
      return true;
    } catch (error) {
      this.#listener.failed(this, error);
      return false;
    }
  }

  /** With a control queue the driver says there how many of its rings are in use. */
  #useRings(): void {
    const control = this.controlQueue;
    const { queuePairs } = this.settings;
    for (const vring of this.#vrings) vring.inUse = control === -1 || vring.index < 2 * queuePairs;
  }

  #tell(): void {
    this.#useRings();
    const told = this.#vrings.filter(
      (vring) => vring.live !== vring.told && vring.index !== this.controlQueue,
    );
    for (const vring of told) {
      vring.told = vring.live;
      this.settings.version++;
      this.#listener.vringStateChanged(this, vring.index, vring.told);
    }
    const [first, second] = this.#vrings;
    if (this.running || this.#vrings.length < 2 || !first.told || !second.told) return;
    this.running = true;
    this.#listener.newDevice(this);
  }

  #break(vring: Vring, fault: QueueFault): void {
    const reason = this.#memory?.faulted === true ? memoryFault : fault;
    vring.break(reason);
    this.#listener.broken(this, vring.index, reason);
  }

  #lookAtMemory(): void {
    if (this.#memory?.faulted !== true && this.#inflight?.faulted !== true) return;
    for (const vring of this.#vrings) if (vring.running) this.#break(vring, memoryFault);
  }
}

function baseUnknown(said: number | null): QueueFault {
  const base = said === null ? 'none' : `0x${said.toString(16)}`;
  return {
    code: 'BASE_UNKNOWN',
    detail: `the base that was given (${base}) contradicts the ring, which does not tell where its device was`,
  };
}

const memoryFault: QueueFault = {
  code: 'MEMORY_FAULTED',
  detail: 'the driver truncated the file of its memory: pages that the rings or buffers need are gone',
};
