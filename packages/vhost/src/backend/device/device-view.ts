import type { QueueStats } from '@vio/net';
import {
  type DumpOptions,
  type RingDump,
  type RingPositions,
  type RingView,
  devicePositions,
  dumpRing,
  ringFeatures,
} from '@vio/rings';
import type { InflightEntries } from '@vio/rings/internal';
import type { MemoryRegion } from '../../wire/index.ts';
import type { DriverSettings } from '../control/driver-settings.ts';
import { deviceStats, vringStats, vringStatsNames } from './device-stats.ts';
import type { TranslationCounts } from '../iommu/device-iommu.ts';
import { numaNodeOf } from './numa-node.ts';
import type { ServedDevice } from './served-device.ts';
import type { VdpaDevice } from '../vdpa/vdpa-device.ts';
import { viewRing } from '../vring/ring-view.ts';
import { type VringBase, type VringInfo, toBase, vringInfo } from '../vring/vring-info.ts';

/** What a device says of itself in its configuration space, and what its driver changed of that. */
export interface DeviceConfigView {
  /** The driver is asked to announce itself on the network, and has not said yet that it has. */
  readonly announcing: boolean;
  /** The address its driver gave it; undefined: none. */
  readonly mac: string | undefined;
  /** The bytes of the configuration space, as it is now. */
  space(): Uint8Array;
}

/** What can be asked of a device: what was negotiated, its rings, memory and counters. */
export class DeviceView {
  readonly #served: ServedDevice;

  /** @internal Made by `VhostDriver`. */
  constructor(served: ServedDevice) {
    this.#served = served;
  }

  /** Number of the device in this process, from 0. */
  get vid(): number {
    return this.#served.vid;
  }

  /** The vDPA device that works on its rings; undefined: this process does. */
  get vdpaDevice(): VdpaDevice | undefined {
    return this.#served.vdpa?.device;
  }

  /** Path of the socket that its frontend came by. */
  get ifname(): string {
    return this.#served.ifname;
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

  /** Bytes of the largest packet, as the frontend announced in NET_SET_MTU; undefined: it did not. */
  get mtu(): number | undefined {
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

  /** Which ring is the control queue (virtio 1.4, section 5.1.2); undefined: there is none. */
  get controlQueue(): number | undefined {
    return this.#served.controlQueue;
  }

  /** Queue pairs from the first on that are enabled, and in use as far as a control queue says so; at least 1. */
  get pairsInUse(): number {
    return this.#served.pairsInUse;
  }

  /** Rings that are ready to run, from ring 0 on without a gap. */
  get queueCount(): number {
    const { vrings } = this.#served;
    const gap = vrings.findIndex((vring) => !vring.ready);
    return gap === -1 ? vrings.length : gap;
  }

  /** Rings of which the frontend has spoken, the control queue included. */
  get vringCount(): number {
    return this.#served.vrings.length;
  }

  /** What is known of a ring; undefined: nobody spoke of it. */
  vringInfo(queue: number): VringInfo | undefined {
    const vring = this.#served.vrings[queue];
    return vring === undefined ? undefined : vringInfo(vring, this.features);
  }

  /** Where a ring goes on; undefined: nobody said. */
  vringBase(queue: number): VringBase | undefined {
    const vring = this.#served.vrings[queue];
    const base = vring?.queue?.base() ?? vring?.base;
    return base === undefined ? undefined : toBase(base, ringFeatures(this.features).format);
  }

  /**
   * What a ring's inflight buffer (INFLIGHT_SHMFD) says is fetched and not used, in the order in which it was fetched: heads of a
   * split ring, entries of a packed one. Bursts keep it. undefined: the ring has no such buffer.
   */
  vringInflight(queue: number): readonly number[] | undefined {
    return this.#inflightEntries(queue)?.taken();
  }

  /**
   * Where a ring's inflight buffer says that it was used up to, twice: who goes on from there takes what is in flight first
   * (`vringInflight`). undefined: the ring has no such buffer.
   */
  vringBaseFromInflight(queue: number): VringBase | undefined {
    const entries = this.#inflightEntries(queue);
    return entries === undefined ? undefined : toBase(entries.base(), entries.format);
  }

  /** Buffers that the driver has made available on a ring and that were not taken yet; 0 unless it runs and is enabled. */
  availEntries(queue: number): number {
    const vring = this.#served.vrings[queue];
    return vring?.enabled ? (vring.queue?.pending() ?? 0) : 0;
  }

  /** Packets (descriptor chains of packed rings: at least one if any) waiting on a transmit ring of the driver; 0 for others. */
  rxQueueCount(queue: number): number {
    return queue % 2 === 1 ? this.availEntries(queue) : 0;
  }

  /** The regions of memory that the frontend shares, a copy. */
  memoryTable(): MemoryRegion[] {
    return this.#served.memory?.table() ?? [];
  }

  /**
   * The driver's memory at a guest-physical address: `bytes` of it, or as much as is contiguous here. It is shared with the
   * driver, which may write it at any time, and reads as zeroes once the frontend takes it back.
   * @returns undefined when the address is in no region
   */
  guestMemory(address: number, bytes: number): Uint8Array | undefined {
    const map = this.#served.memory?.map;
    const window = map?.find(address) ?? -1;
    if (map === undefined || window === -1) return undefined;
    const offset = address - map.guestBase[window];
    const { u8 } = map.windows[window].region;
    return u8.subarray(offset, offset + Math.min(bytes, map.size[window] - offset));
  }

  /** Of a driver behind an I/O MMU: what is known of its translations; undefined for others. */
  get translations(): TranslationCounts | undefined {
    return this.#served.iommu?.counts;
  }

  /** The NUMA node that most of the driver's memory is on; undefined when the system does not say. */
  get numaNode(): number | undefined {
    return numaNodeOf(this.#served.memory?.files() ?? new Set());
  }

  /**
   * A ring as it lies in the driver's memory at this moment, broken or not; undefined while the driver has not said where it
   * is. For a person: `ringDumpText(name, dump)`.
   */
  dumpRing(queue: number, options: DumpOptions = {}): RingDump | undefined {
    const view = this.#ringView(queue);
    return view === undefined ? undefined : dumpRing(view, options);
  }

  /** Where the two sides of a ring have got to; undefined unless it runs. */
  ringPositions(queue: number): RingPositions | undefined {
    const base = this.#served.vrings[queue]?.queue?.base();
    const view = this.#ringView(queue);
    return base === undefined || view === undefined ? undefined : devicePositions(view, base);
  }

  /** Calls (interrupts) sent to the driver, on all rings. */
  get guestNotifications(): number {
    return this.#served.vrings.reduce((sum, vring) => sum + vring.calls.count, 0);
  }

  /** Counters of a ring, undefined if it never ran. */
  queueStats(queue: number): QueueStats | undefined {
    return this.#served.vrings[queue]?.stats;
  }

  /**
   * All counters of all rings, named as DPDK names the statistics of its vhost rings: `rx_q0_good_packets` is what the
   * backend received from its first pair, which is the driver's ring 1. `errors` and what comes after the notifications
   * is not DPDK's.
   */
  stats(): Record<string, number> {
    return deviceStats(this.#served.vrings);
  }

  /** The counters of one ring, named as in `stats` without the ring in front; empty if it never ran. */
  vringStats(queue: number): Record<string, number> {
    const vring = this.#served.vrings[queue];
    return vring === undefined ? {} : vringStats(vring);
  }

  #ringView(queue: number): RingView | undefined {
    const { memory, vrings, features } = this.#served;
    const vring = vrings[queue];
    return memory === undefined || vring === undefined ? undefined : viewRing(vring, memory, features);
  }

  #inflightEntries(queue: number): InflightEntries | undefined {
    const vring = this.#served.vrings[queue];
    return vring === undefined ? undefined : this.#served.setup.inflightEntries(vring);
  }

  /** The names of a ring's counters, in the order of `vringStats`. */
  vringStatsNames(queue: number): string[] {
    return vringStatsNames(queue);
  }
}
