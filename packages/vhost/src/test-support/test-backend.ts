import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnixStream, type VioError } from '@vio/native';
import type { ControlCommand } from '@vio/net';
import type { QueueFault } from '@vio/rings';
import { ScriptedFrontend } from '../testing/index.ts';
import { frontendRequests as requests } from '../wire/index.ts';
import type { ServedDevice } from '../backend/device/served-device.ts';
import { type VhostDevice, servedSide } from '../backend/device/vhost-device.ts';
import type { VhostDriverFlags } from '../backend/driver/driver-flags.ts';
import { VhostDriver } from '../backend/driver/vhost-driver.ts';

/** A backend on a socket of its own, and all it says. `await using` it. */
export class TestBackend implements AsyncDisposable {
  readonly driver: VhostDriver;
  readonly path: string;
  /** Every callback in words, as `newDevice 0`: the number counts the connections to this backend. */
  readonly events: string[] = [];
  readonly devices: VhostDevice[] = [];
  readonly ended: VioError[] = [];
  readonly refused: VioError[] = [];
  readonly broken: { queue: number; fault: QueueFault }[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'vio-vhost-'));
  /** What becomes of a command on a control queue. */
  onCommand: (command: ControlCommand) => boolean = () => true;
  readonly #open: Disposable[] = [];

  constructor(flags: VhostDriverFlags = {}) {
    this.path = join(this.#directory, 'vhost.sock');
    this.driver = VhostDriver.register(this.path, flags);
    const note = (what: string, device: VhostDevice, ...more: unknown[]): void => {
      this.events.push([what, this.devices.indexOf(device), ...more].join(' '));
    };
    this.driver.callbacks({
      newConnection: (device) => {
        this.devices.push(device);
        note('newConnection', device);
      },
      newDevice: (device) => note('newDevice', device),
      destroyDevice: (device) => note('destroyDevice', device),
      vringStateChanged: (device, ring, on) => note('vringStateChanged', device, ring, on ? 'on' : 'off'),
      featuresChanged: (device, features) => note('featuresChanged', device, features.toString(16)),
      destroyConnection: (device, reason) => {
        this.ended.push(reason);
        note('destroyConnection', device, reason.code);
      },
      refused: (device, reason) => {
        this.refused.push(reason);
        note('refused', device, reason.code);
      },
      command: (device, command) => {
        note('command', device, command.kind);
        return this.onCommand(command);
      },
      baseCorrected: (device, queue, said, base) =>
        note('baseCorrected', device, queue, said?.toString(16) ?? 'none', base.toString(16)),
      broken: (device, queue, fault) => {
        this.broken.push({ queue, fault });
        note('broken', device, queue, fault.code);
      },
    });
  }

  static async start(flags: VhostDriverFlags = {}): Promise<TestBackend> {
    const backend = new TestBackend(flags);
    await backend.driver.start();
    return backend;
  }

  get device(): VhostDevice {
    return this.devices[this.devices.length - 1];
  }

  /** What the message handlers see of the newest device. */
  get served(): ServedDevice {
    return servedSide(this.device);
  }

  /** One more frontend, with protocol features negotiated: all that are offered, or these. */
  async connect(protocolFeatures?: bigint): Promise<ScriptedFrontend> {
    const frontend = new ScriptedFrontend(await UnixStream.connect(this.path));
    this.#open.push(frontend);
    const offered = await frontend.ask(requests.GET_PROTOCOL_FEATURES, undefined);
    await frontend.send(requests.SET_PROTOCOL_FEATURES, protocolFeatures ?? offered ?? 0n);
    return frontend;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open) one[Symbol.dispose]();
    await this.driver.close();
    rmSync(this.#directory, { recursive: true });
  }
}

/** Resolves when everything sent so far has been handled. */
export async function handled(frontend: ScriptedFrontend): Promise<void> {
  await frontend.ask(requests.GET_FEATURES, undefined);
}
