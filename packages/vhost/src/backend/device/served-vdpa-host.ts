import type { VioError } from '@vio/native';
import type { MemoryMap } from '@vio/rings';
import type { DeviceLog } from '../migration/device-log.ts';
import type { RawVring } from '../raw/raw-vring.ts';
import type { DeviceConfigSpace } from '../type/device-config.ts';
import type { VdpaHost } from '../vdpa/vdpa-host.ts';
import type { DriverMemory } from '../vring/driver-memory.ts';
import type { Vring } from '../vring/vring.ts';
import type { DeviceLife } from './device-life.ts';
import type { DeviceRings } from './device-rings.ts';

/** What a session with a vDPA device looks at in the device of a frontend. */
export interface HostingDevice {
  readonly vid: number;
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  readonly memory: DriverMemory | undefined;
  readonly vrings: readonly Vring[];
  readonly log: DeviceLog;
  readonly config: DeviceConfigSpace;
  giveUp(reason: VioError): void;
}

/** A served device as the session of its vDPA device needs it. */
export class ServedVdpaHost implements VdpaHost {
  readonly #device: HostingDevice;
  readonly #rings: DeviceRings;
  readonly #life: DeviceLife;

  constructor(device: HostingDevice, rings: DeviceRings, life: DeviceLife) {
    this.#device = device;
    this.#rings = rings;
    this.#life = life;
  }

  get vid(): number {
    return this.#device.vid;
  }

  get features(): bigint {
    return this.#device.features;
  }

  get protocolFeatures(): bigint {
    return this.#device.protocolFeatures;
  }

  get memory(): DriverMemory | undefined {
    return this.#device.memory;
  }

  get vrings(): readonly Vring[] {
    return this.#device.vrings;
  }

  get log(): DeviceLog {
    return this.#device.log;
  }

  get mayRun(): boolean {
    return this.#rings.mayRun;
  }

  settleBase(vring: Vring): boolean {
    return this.#rings.settleBase(vring);
  }

  relay(vring: Vring): { readonly raw: RawVring; readonly memory: MemoryMap } {
    return this.#rings.relay(vring);
  }

  tell(): void {
    this.#life.tell();
  }

  configChanged(): void {
    void this.#device.config.changed();
  }

  giveUp(reason: VioError): void {
    this.#device.giveUp(reason);
  }
}
