import type { VioError } from '@vio/native';
import type { MemoryMap } from '@vio/rings';
import type { DeviceLog } from '../migration/device-log.ts';
import type { DriverMemory } from '../vring/driver-memory.ts';
import type { Vring } from '../vring/vring.ts';
import type { RawVring } from '../raw/raw-vring.ts';

/** The device of a frontend, as the session with its vDPA device needs it. */
export interface VdpaHost {
  readonly vid: number;
  /** Negotiated device features. */
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  readonly memory: DriverMemory | undefined;
  readonly vrings: readonly Vring[];
  readonly log: DeviceLog;
  /** The frontend has said all that a device needs before its rings run. */
  readonly mayRun: boolean;
  /** @returns false: where the ring goes on cannot be found out, and it is broken */
  settleBase(vring: Vring): boolean;
  /** Lets buffers of a ring be passed on. @throws VioError VIO_VHOST_RING */
  relay(vring: Vring): { readonly raw: RawVring; readonly memory: MemoryMap };
  /** Rings run, or do not any more: whoever is to be told is told. */
  tell(): void;
  configChanged(): void;
  giveUp(reason: VioError): void;
}

/** The way back to the frontend, for doorbells. */
export interface NotifierChannel {
  /** @param fd what is to be mapped; undefined: taken back @returns whether the frontend does it */
  hostNotifier(
    area: { readonly index: number; readonly size: number; readonly offset: number },
    fd: number | undefined,
  ): Promise<boolean>;
}
