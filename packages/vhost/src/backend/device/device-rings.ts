import { STATUS_DRIVER_OK } from '@vio/net/internal';
import type { ControlCommand } from '@vio/net';
import { type MemoryMap, type QueueFault, freshPackedBase } from '@vio/rings';
import {
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_STATUS,
} from '../../wire/index.ts';
import { BurstCopier } from '../packets/burst-copier.ts';
import type { DequeueOptions } from '../packets/dequeue-options.ts';
import { ServedRing } from '../raw/raw-vring.ts';
import type { DeviceShape } from '../type/device-shape.ts';
import type { DriverMemory } from '../vring/driver-memory.ts';
import { baseUnknown } from '../vring/ring-faults.ts';
import { translateParts } from '../vring/ring-parts.ts';
import type { Vring } from '../vring/vring.ts';

/** What the rings of a device look at in it. */
export interface RingsDevice {
  readonly vrings: readonly Vring[];
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  readonly status: number;
  readonly controlQueue: number | undefined;
  /** Somebody else works on its rings. */
  readonly vdpa: object | undefined;
  break(vring: Vring, fault: QueueFault): void;
  lookAtMemory(): void;
}

/** What they tell. */
export interface RingsHooks {
  /** A ring began to run. */
  changed(): void;
  /** A driver's command. @returns whether it was carried out */
  execute(command: ControlCommand): boolean;
  failed(error: unknown): void;
  baseCorrected(queue: number, said: number | undefined, base: number): void;
}

/** Which rings of a device may run, and how they begin to: where their frontend said, in its driver's memory. */
export class DeviceRings {
  /** SET_FEATURES has come. */
  featuresSaid = false;
  /** Which calls its driver wants is not known. */
  alwaysCalls = false;
  readonly #device: RingsDevice;
  readonly #shape: DeviceShape;
  readonly #dequeue: DequeueOptions;
  readonly #hooks: RingsHooks;
  #memory: DriverMemory | undefined;
  #copier: BurstCopier | undefined;

  constructor(device: RingsDevice, shape: DeviceShape, dequeue: DequeueOptions, hooks: RingsHooks) {
    this.#device = device;
    this.#shape = shape;
    this.#dequeue = dequeue;
    this.#hooks = hooks;
  }

  /** The driver's memory, once it was announced. */
  get memory(): DriverMemory | undefined {
    return this.#memory;
  }

  setMemory(memory: DriverMemory | undefined): void {
    this.#memory = memory;
    this.#copier = memory === undefined ? undefined : new BurstCopier(memory.map);
  }

  /** Memory that is gone may have been copied to. */
  forget(region: Parameters<BurstCopier['forget']>[0]): void {
    this.#copier?.forget(region);
  }

  /** The frontend has said all that is needed before rings run. */
  get mayRun(): boolean {
    if (!this.featuresSaid) return false;
    const { protocolFeatures, status } = this.#device;
    const usesStatus = (protocolFeatures & VHOST_USER_PROTOCOL_F_STATUS) !== 0n;
    return !usesStatus || (status & STATUS_DRIVER_OK) !== 0;
  }

  /**
   * Without bit 30 a started ring is enabled. With it a disabled one is drained, which is for frontends that know queue pairs (MQ):
   * of the others none is touched, because it may be gone already. User-mode Linux only disables the rings of a driver that
   * leaves, and gives their memory to others.
   */
  enable(): void {
    const { features, protocolFeatures, vrings, vdpa } = this.#device;
    const always = (features & VHOST_USER_F_PROTOCOL_FEATURES) === 0n;
    const drained = !this.#shape.raw && (protocolFeatures & VHOST_USER_PROTOCOL_F_MQ) !== 0n;
    for (const vring of vrings) {
      vring.enabled = always || (vring.asked ?? this.#shape.unsaid.enable === true);
      vring.atRest = !vring.enabled && !drained;
      // A vDPA device lets go of it first.
      if (vring.atRest && vring.running && vdpa === undefined) vring.pause();
    }
  }

  /**
   * Runs what has become ready.
   * @throws VioError VIO_VHOST_RING, VIO_RING_* when a ring cannot run: it waits for other addresses, the rest goes on
   */
  run(): void {
    const memory = this.#memory;
    const copier = this.#copier;
    const { vrings, features, vdpa, controlQueue } = this.#device;
    // What a ring looks like is known only once features were accepted.
    if (memory === undefined || copier === undefined || !this.mayRun || vdpa !== undefined) return;
    const refused: unknown[] = [];
    for (const vring of vrings) {
      if (!vring.ready || vring.atRest || vring.running) continue;
      if (vring.fault !== undefined && !vring.awaitsTranslation) continue;
      try {
        if (!this.#isTranslated(vring) || !this.settleBase(vring)) continue;
        if (vring.raw !== undefined) vring.runRaw(vring.raw, memory, features);
        else if (vring.index === controlQueue) this.#runControl(vring, memory);
        else vring.run(memory, copier, features, this.#dequeue);
        vring.queue?.lookAhead();
        this.#hooks.changed();
      } catch (error) {
        vring.addresses = undefined;
        refused.push(error);
      }
    }
    if (refused.length > 0) throw refused[0];
  }

  /** @returns false: where the ring goes on cannot be found out, and it is broken, or there is no memory */
  settleBase(vring: Vring): boolean {
    if (this.#memory === undefined) return false;
    const said = vring.base;
    const settled = vring.settleBase(this.#memory, this.#device.features);
    if (settled === 'unknown') this.#device.break(vring, baseUnknown(said));
    else if (settled === 'corrected')
      this.#hooks.baseCorrected(vring.index, said, vring.base ?? freshPackedBase);
    return settled !== 'unknown';
  }

  /** The ring of an application that serves it by itself. */
  raw(vring: Vring): ServedRing {
    return new ServedRing(vring.index, {
      onKick: (listener) => vring.kicks.listen(listener),
      call: () => vring.calls.signal(),
      alwaysCalls: () => this.alwaysCalls,
      broken: (fault) => this.#device.break(vring, fault),
      failed: (error) => this.#hooks.failed(error),
      lookAtMemory: () => this.#device.lookAtMemory(),
    });
  }

  /** Runs a ring whose buffers are passed on to another. @throws VioError as `run` */
  relay(vring: Vring): { readonly raw: ServedRing; readonly memory: MemoryMap } {
    if (this.#memory === undefined) throw new TypeError('buffers are passed on of memory that there is');
    const raw = (vring.raw ??= this.raw(vring));
    const direction = vring.index % 2 === 0 ? 'writable' : 'readable';
    vring.runRaw(raw, this.#memory, this.#device.features, direction);
    return { raw, memory: this.#memory.map };
  }

  /** @returns false: it is not known where the ring lies, which was asked for, or there is no memory, and it is broken */
  #isTranslated(vring: Vring): boolean {
    const fault = translateParts(vring, this.#device.features);
    if (fault === undefined) {
      vring.fault = undefined;
      return true;
    }
    if (fault !== 'unknown' && vring.fault === undefined) {
      this.#device.break(vring, fault);
      vring.awaitsTranslation = true;
    }
    return false;
  }

  #runControl(vring: Vring, memory: DriverMemory): void {
    vring.runControl(
      memory,
      this.#device.features,
      (command) => this.#hooks.execute(command),
      (fault) => this.#device.break(vring, fault),
    );
  }
}
