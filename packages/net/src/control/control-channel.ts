import type { WaitOptions } from '@vio/native';
import type { ControlCommand } from './commands.ts';

/** A way commands reach a device: its control queue, or somebody who carries them out in its place. */
export interface ControlChannel {
  /**
   * Has the device carry out a command. Commands are carried out one at a time, in the order of the calls.
   * @throws VioError VIO_CONTROL_REFUSED, VIO_CONTROL_BROKEN, VIO_CONTROL_CLOSED, VIO_CONTROL_VALUE, VIO_TIMEOUT,
   *   VIO_ABORTED
   */
  execute(command: ControlCommand, wait?: WaitOptions): Promise<void>;
}
