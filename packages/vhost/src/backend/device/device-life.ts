import type { CommandedSettings } from '../control/driver-settings.ts';
import type { DeviceShape } from '../type/device-shape.ts';
import type { Vring } from '../vring/vring.ts';
import type { DeviceListener } from './device-listener.ts';

/** The device whose rings are looked at. */
export interface LivingDevice {
  readonly vrings: readonly Vring[];
  /** Which ring is the control queue; undefined: there is none. */
  readonly controlQueue: number | undefined;
  /** What the driver has asked for there. */
  readonly settings: CommandedSettings;
}

/** Which rings of a device live, and whether it runs as a whole: told to its owner in DPDK's order, and to whoever sleeps. */
export class DeviceLife {
  /** True between the callbacks newDevice and destroyDevice. */
  running = false;
  /** Called when rings begin to run or stop, the device stops, or ends: who sleeps looks again. */
  readonly changes = new Set<() => void>();
  readonly #device: LivingDevice;
  readonly #shape: DeviceShape;
  readonly #listener: DeviceListener;

  constructor(device: LivingDevice, shape: DeviceShape, listener: DeviceListener) {
    this.#device = device;
    this.#shape = shape;
    this.#listener = listener;
  }

  /** Queue pairs from the first on that are enabled, and in use as far as a control queue says so; at least 1. */
  get pairsInUse(): number {
    const { vrings } = this.#device;
    let pairs = 0;
    while (2 * pairs + 1 < vrings.length && vrings[2 * pairs].told && vrings[2 * pairs + 1].told) pairs++;
    return Math.max(1, pairs);
  }

  /** True when the frontend has said all that both rings of a pair need. */
  isReady(pair: number): boolean {
    const { vrings } = this.#device;
    return 2 * pair + 1 < vrings.length && vrings[2 * pair].ready && vrings[2 * pair + 1].ready;
  }

  /** Something about the rings is other than before. */
  changed(): void {
    for (const change of Array.from(this.changes)) change();
  }

  /** Tells what has begun and ended: the rings, then the device, which needs its first ones. */
  tell(): void {
    this.#useRings();
    const { vrings, controlQueue, settings } = this.#device;
    const told = vrings.filter((vring) => vring.live !== vring.told && vring.index !== controlQueue);
    for (const vring of told) {
      vring.told = vring.live;
      settings.version++;
      this.changed();
      this.#listener.vringStateChanged(vring.index, vring.told);
    }
    const { firstRings } = this.#shape;
    if (this.running || vrings.length < firstRings) return;
    if (!vrings.slice(0, firstRings).every(({ told: runs }) => runs)) return;
    this.running = true;
    this.#listener.newDevice();
  }

  /** The device stops, and its owner is told. */
  destroy(): void {
    if (!this.running) return;
    this.running = false;
    this.changed();
    this.#listener.destroyDevice();
  }

  /** With a control queue the driver says there how many of its rings are in use. */
  #useRings(): void {
    const { vrings, controlQueue, settings } = this.#device;
    for (const vring of vrings)
      vring.inUse = controlQueue === undefined || vring.index < 2 * settings.queuePairs;
  }
}
