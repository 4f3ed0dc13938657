import { ringFeatures } from '@vio/rings';
import type { InflightEntries } from '@vio/rings/internal';
import type { VringAddress } from '../../wire/index.ts';
import type { AsyncChannels } from '../async/async-channels.ts';
import type { DeviceIommu } from '../iommu/device-iommu.ts';
import type { DeviceLog } from '../migration/device-log.ts';
import type { ServedRing } from '../raw/raw-vring.ts';
import type { InflightBuffer } from '../vring/inflight-buffer.ts';
import type { CallHooks } from '../vring/ring-calls.ts';
import { Vring } from '../vring/vring.ts';

/** The device that the rings belong to. */
export interface SetUpDevice {
  /** By number; a ring that a message names is added. */
  readonly vrings: Vring[];
  /** Negotiated device features. */
  readonly features: bigint;
  readonly log: DeviceLog;
  readonly async: AsyncChannels;
  /** Present while its driver's addresses are I/O virtual ones. */
  readonly iommu: DeviceIommu | undefined;
  /** Which ring is the control queue; undefined: there is none. */
  readonly controlQueue: number | undefined;
}

/** What the device does about its rings. */
export interface SetupHooks {
  /** A ring that the application serves by itself; undefined: it serves none. */
  raw(vring: Vring): ServedRing | undefined;
  /** A ring is about to stop. */
  stopping(): void;
  /** The control queue begins anew, and its driver has asked for nothing yet. */
  controlBegins(): void;
}

/** The rings of a device as its frontend's messages set them up: where each lies, goes on, is noted down and marked. */
export class RingSetup {
  readonly #device: SetUpDevice;
  readonly #calls: CallHooks;
  readonly #hooks: SetupHooks;
  #inflight: InflightBuffer | undefined;
  /** Where the rings were when the driver reset the device, by number. */
  #leftAt: readonly number[] = [];

  /** @param calls who has a say in the calls of the driver */
  constructor(device: SetUpDevice, calls: CallHooks, hooks: SetupHooks) {
    this.#device = device;
    this.#calls = calls;
    this.#hooks = hooks;
  }

  /** The ring of that number, made on first use. */
  vring(index: number): Vring {
    const { vrings, iommu, async, log, features } = this.#device;
    for (let i = vrings.length; i <= index; i++) {
      const vring = new Vring(i, this.#calls);
      vring.inflight = this.#inflight;
      vring.translation = iommu?.iotlb;
      vring.leftAt = this.#leftAt[i];
      vring.async = async.of(i);
      vring.setLog(log.active(features));
      vring.raw = this.#hooks.raw(vring);
      vrings.push(vring);
    }
    return vrings[index];
  }

  /**
   * Where a ring lies, and its part in the log: nothing else changes for a guest that is to be moved. It goes on there at
   * `ServedDevice.update`; one that moved, or was disabled before, may be another one.
   */
  place(vring: Vring, addresses: VringAddress): void {
    const before = vring.addresses;
    if (before !== undefined && vring.running && !vring.rebased && onlyLogged(before, addresses)) {
      vring.addresses = addresses;
      vring.setLog(this.#device.log.active(this.#device.features));
      return;
    }
    vring.pause();
    vring.addresses = addresses;
    if (before === undefined || (vring.enabled && before.descriptors === addresses.descriptors)) return;
    vring.distrustBase();
    // A driver that begins anew has asked for nothing yet (user-mode Linux has no message for a reset).
    if (vring.index === this.#device.controlQueue) this.#hooks.controlBegins();
  }

  /** A ring that was only disabled is set up anew, and runs again when it is kicked off again. */
  startOver(vring: Vring): void {
    vring.pause();
    vring.distrustBase();
    vring.started = false;
    this.#forgetInflight(vring);
  }

  /** Where a ring goes on from the next `ServedDevice.update` on, as if its frontend had said so. */
  rebase(vring: Vring, base: number): void {
    vring.pause();
    vring.sayBase(base);
  }

  /** A ring stops, and with it the device. @returns the ring's base */
  stop(vring: Vring): number {
    this.#hooks.stopping();
    const { ran } = vring;
    const base = vring.stop(this.#device.features);
    if (ran) this.#forgetInflight(vring);
    return base;
  }

  /** Where rings that begin to run from now on note down what they have in flight. Takes it. */
  setInflight(inflight: InflightBuffer | undefined): void {
    this.#inflight?.[Symbol.dispose]();
    this.#inflight = inflight;
    for (const vring of this.#device.vrings) vring.inflight = inflight;
  }

  /** A ring's journal by its entries, as it is now; undefined: it keeps none. @throws VioError VIO_VHOST_INFLIGHT */
  inflightEntries({ index, size }: Vring): InflightEntries | undefined {
    if (size === 0) return undefined;
    return this.#inflight?.entries(index, ringFeatures(this.#device.features).format, size);
  }

  /** True once the frontend truncated the file of those notes under us. */
  get inflightFaulted(): boolean {
    return this.#inflight?.faulted === true;
  }

  /** Log, or features, are others: rings mark there from now on. */
  relog(): void {
    const log = this.#device.log.active(this.#device.features);
    for (const vring of this.#device.vrings) vring.setLog(log);
  }

  /** Stops all rings, which a frontend may still ask about. @returns where they were, by number */
  stopAll(): readonly number[] {
    return this.#device.vrings.map((vring) => vring.stop(this.#device.features));
  }

  /** All rings are gone. @param leftAt where they were; those that are made from now on say so until they are set up anew */
  reset(leftAt: readonly number[]): void {
    for (const vring of this.#device.vrings) vring.close();
    this.#device.vrings.length = 0;
    this.setInflight(undefined);
    this.#leftAt = leftAt;
  }

  #forgetInflight({ index, size }: Vring): void {
    this.#inflight?.stopped(index, ringFeatures(this.#device.features).format, size);
  }
}

/** The same place, but for what of it is logged. */
function onlyLogged(before: VringAddress, after: VringAddress): boolean {
  const same = ({ descriptors, driver, device }: VringAddress): boolean =>
    descriptors === after.descriptors && driver === after.driver && device === after.device;
  return same(before) && (before.flags !== after.flags || before.log !== after.log);
}
