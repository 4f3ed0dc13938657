// Runs the `vio` command as a user does.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { vioProgram } from '../support/vio-program.ts';

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `vio`. */
export class Vio {
  readonly process: ChildProcess;
  /** What it wrote when it has ended. */
  readonly ended: Promise<Ended>;
  #stdout = '';

  /** @param stdin `pipe`: somebody writes commands */
  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, stdin: 'ignore' | 'pipe' = 'ignore') {
    const child = spawn(process.execPath, [vioProgram, ...args], {
      env: { ...process.env, NO_COLOR: '1', ...env },
      stdio: [stdin, 'pipe', 'pipe'],
    });
    this.process = child;
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (this.#stdout += chunk));
    const stderr = child.stderr === null ? '' : text(child.stderr);
    this.ended = once(child, 'close').then(async ([code]) => ({
      exitCode: code as number | null,
      stdout: this.#stdout,
      stderr: await stderr,
    }));
  }

  /** What it wrote so far. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Until it has written something, behind so many characters. @throws Error when it ends before */
  async says(pattern: RegExp, behind = 0): Promise<void> {
    while (this.#stdout.length < behind || !pattern.test(this.#stdout.slice(behind))) {
      if (this.process.exitCode !== null) throw new Error(`vio ended: ${(await this.ended).stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async interrupt(signal: 'SIGHUP' | 'SIGINT' | 'SIGTERM' = 'SIGINT'): Promise<Ended> {
    this.process.kill(signal);
    return this.ended;
  }
}

/** `vio backend`, when it listens. @param args its socket first @param env what its environment has besides */
export function listeningBackend(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Vio> {
  return listening(new Vio(['backend', ...args], env));
}

/** The same, to be ended with others. @param running it is one of them from the beginning */
export function startBackend(running: Vio[], socket: string, ...args: readonly string[]): Promise<Vio> {
  const backend = new Vio(['backend', socket, ...args]);
  running.push(backend);
  return listening(backend);
}

async function listening(backend: Vio): Promise<Vio> {
  await backend.says(/listening|vhost-user backend on/);
  return backend;
}

/** Runs it to its end. */
export function vio(...args: string[]): Promise<Ended> {
  return new Vio(args).ended;
}

/** The objects that `--json` wrote. */
export function jsonLines<Line extends object = Record<string, unknown>>({ stdout }: Ended): Line[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}
