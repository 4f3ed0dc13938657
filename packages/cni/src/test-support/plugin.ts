// The plugin against a switch that runs, called as a container runtime calls it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VioSwitch, parseConfig, serveControl } from '@vio/switch';
import { afterEach, beforeEach } from 'vitest';
import { CniError, runPlugin } from '../index.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** Gives each test a directory of its own, and a switch there. */
export function pluginOnSwitch() {
  let directory = '';
  let fabric: VioSwitch;
  let control: AsyncDisposable;
  const at = (file: string): string => join(directory, file);

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vio-cni-'));
    await startSwitch();
  });
  afterEach(async () => {
    await stopSwitch();
    rmSync(directory, { recursive: true, force: true });
  });

  async function startSwitch(): Promise<void> {
    fabric = await VioSwitch.start(parseConfig({ bridges: [{ name: 'br0' }], state: at('state.json') }));
    control = serveControl(at('control.sock'), { fabric, reload: undefined, health: () => ({}) });
  }

  async function stopSwitch(): Promise<void> {
    await control[Symbol.asyncDispose]();
    await fabric.close();
  }

  const conf = (more: Fields = {}): Fields => ({
    cniVersion: '1.1.0',
    name: 'fast',
    type: 'vio-cni',
    bridge: 'br0',
    control: at('control.sock'),
    socketDir: at('pods'),
    ...more,
  });

  const environment = (command: string, container = 'c1', more: Fields = {}): Record<string, string> => ({
    CNI_COMMAND: command,
    CNI_CONTAINERID: container,
    CNI_NETNS: '/run/netns/x',
    CNI_IFNAME: 'net1',
    CNI_PATH: at('bin'),
    ...more,
  });

  return {
    /** A file of the directory. */
    at,
    startSwitch,
    stopSwitch,
    /** The switch. */
    fabric: (): VioSwitch => fabric,
    /** The names of its ports. */
    ports: (): string[] => fabric.ports().map(({ name }) => name),
    conf,
    environment,
    call: (
      command: string,
      fields: Fields = conf(),
      container?: string,
      env: Fields = {},
    ): Promise<object | undefined> => runPlugin(environment(command, container, env), JSON.stringify(fields)),
  };
}

/** @returns code, message and details of the error, as the runtime gets them */
export async function failure(attempt: Promise<unknown>): Promise<CniError> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CniError) return error;
  throw error ?? new Error('no failure');
}
