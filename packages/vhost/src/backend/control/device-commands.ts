import type { ControlCommand } from '@vio/net';
import type { DeviceConfigSpace } from '../type/device-config.ts';
import { acceptable } from './acceptable.ts';
import { CommandedSettings } from './driver-settings.ts';

/** What carries commands out. */
export interface CommandTarget {
  /** What the device has: its queue pairs may become fewer, and some commands change what it says of itself. */
  readonly shape: { readonly queuePairs: number; readonly config: DeviceConfigSpace };
  /** Both rings of a pair could run. */
  isReady(pair: number): boolean;
  /** Asks the application. @returns false to refuse the command */
  command(command: ControlCommand): boolean;
  /** A command was carried out. */
  done(): void;
  /** The application has thrown. */
  failed(error: unknown): void;
}

/** What a driver asks for by its control queue: judged, shown to the application, and kept. */
export class DeviceCommands {
  /** What has been asked for; as at first for a driver that has no control queue. */
  readonly settings = new CommandedSettings();
  readonly #target: CommandTarget;

  constructor(target: CommandTarget) {
    this.#target = target;
  }

  /** @returns false to refuse the command */
  execute(command: ControlCommand): boolean {
    const target = this.#target;
    if (!this.#acceptable(command)) return false;
    try {
      if (!target.command(command)) return false;
      this.#apply(command);
      target.done();
      return true;
    } catch (error) {
      target.failed(error);
      return false;
    }
  }

  /** Commands that were carried out before this process served the device; nobody is asked again. */
  recall(commands: readonly ControlCommand[]): void {
    for (const command of commands) if (this.#acceptable(command)) this.#apply(command);
  }

  /** Everything as at first. */
  forget(): void {
    this.settings.reset();
    this.#target.shape.config.mac = undefined;
  }

  #acceptable(command: ControlCommand): boolean {
    const target = this.#target;
    return acceptable(command, target.shape.queuePairs, (pair) => target.isReady(pair));
  }

  #apply(command: ControlCommand): void {
    this.settings.apply(command);
    const { config } = this.#target.shape;
    if (command.kind === 'announce-ack') config.announcing = false;
    if (command.kind === 'mac-address') config.mac = command.mac;
  }
}
