// The switch as it is deployed: a process, with a control socket and a state file.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callSwitch } from '@vio/switch/client';
import { vioProgram } from '../../support/vio-program.ts';
import { PtyProcess } from '../pty-process.ts';

/** `vio switch run` with one bridge `br0`. */
export class SwitchDaemon implements AsyncDisposable {
  readonly control: string;
  readonly #config: string;
  #process: ChildProcess | undefined;

  private constructor(directory: string, workers: number) {
    this.control = join(directory, 'control.sock');
    this.#config = join(directory, 'switch.json');
    writeFileSync(
      this.#config,
      JSON.stringify({
        control: this.control,
        state: join(directory, 'state.json'),
        workers,
        bridges: [{ name: 'br0' }],
      }),
    );
  }

  /** @param directory of its control socket, configuration and state @param workers threads, which have its ports in turn */
  static async start(directory: string, workers = 1): Promise<SwitchDaemon> {
    const daemon = new SwitchDaemon(directory, workers);
    await daemon.begin();
    return daemon;
  }

  async begin(): Promise<void> {
    const child = spawn(process.execPath, [vioProgram, 'switch', 'run', '--config', this.#config], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#process = child;
    let said = '';
    for await (const text of child.stdout.setEncoding('utf8')) {
      said += String(text);
      if (said.includes('switching')) break;
    }
    if (!said.includes('switching')) throw new Error('the switch did not start');
  }

  /** How many descriptors it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.#process?.pid}/fd`).length;
  }

  /** Names of its ports. */
  async ports(): Promise<string[]> {
    const ports = (await callSwitch(this.control, 'show-ports')) as { readonly name: string }[];
    return ports.map(({ name }) => name);
  }

  async connected(name: string): Promise<boolean> {
    return ((await callSwitch(this.control, 'show-port', { name })) as { connected: boolean }).connected;
  }

  /** Ends it, by SIGKILL if it is to put nothing in order. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** A program whose words are waited for. */
export async function saying(
  program: PtyProcess,
  pattern: RegExp,
  timeout = 40_000,
): Promise<RegExpExecArray> {
  await program.until(() => pattern.test(program.output), timeout);
  const said = pattern.exec(program.output);
  if (said === null) throw new Error(`it did not say ${String(pattern)}:\n${program.output.slice(-3000)}`);
  return said;
}
