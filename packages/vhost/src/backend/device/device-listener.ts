import type { VioError } from '@vio/native';
import type { ControlCommand } from '@vio/net';
import type { QueueFault } from '@vio/rings';
import type { CallHooks } from '../vring/ring-calls.ts';

/** What a device tells its owner; see `VhostCallbacks` for what each means. */
export interface DeviceListener extends CallHooks {
  newDevice(): void;
  destroyDevice(): void;
  vringStateChanged(queue: number, enabled: boolean): void;
  broken(queue: number, fault: QueueFault): void;
  baseCorrected(queue: number, said: number | undefined, base: number): void;
  featuresChanged(features: bigint): void;
  /** A command on the control queue that can be carried out; false: it is refused. */
  command(command: ControlCommand): boolean;
  /** The connection cannot go on. */
  giveUp(reason: VioError): void;
  /** The application threw while a command was carried out, or a ring served. */
  failed(error: unknown): void;
}
