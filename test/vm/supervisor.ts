// Backend processes beside QEMU, one after the other.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { bundle } from './bundle.ts';
import { here } from './checkout.ts';
import { ringsWanted } from './rings-said.ts';

/** Milliseconds for a backend to say how its rings are. */
const answerTime = 2000;

/** The backends of a guest. */
export interface Backends<Said> {
  /** What each of them said, a line each. */
  readonly lives: readonly (readonly Said[])[];
  /** How each of them ended. */
  readonly ends: readonly (NodeJS.Signals | number | null)[];
  /** Asks the last of them for its rings. @returns all that it said, for people */
  readonly state: () => Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts a backend, and another one whenever one was killed.
 * @param program of this folder, without `.ts`; it says `{ "started": true }` once it can be connected to
 */
export async function superviseBackends<Said extends { readonly started?: true }>(
  directory: string,
  program: string,
  args: readonly string[],
): Promise<Backends<Said>> {
  const file = join(directory, 'backend.mjs');
  await bundle(join(here, `${program}.ts`), file);
  const lives: Said[][] = [];
  const ends: (NodeJS.Signals | number | null)[] = [];
  let child: ChildProcess;
  let stopping = false;
  let ended: Promise<void>;
  const begin = (): Promise<void> => {
    const said: Said[] = [];
    lives.push(said);
    const node = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    child = node;
    const lines = createInterface(node.stdout);
    ended = new Promise((resolve) => {
      node.on('close', (code, signal) => {
        ends.push(signal ?? code);
        if (!stopping && signal === 'SIGKILL') void begin();
        resolve();
      });
    });
    return new Promise((resolve) => {
      lines.on('line', (line) => {
        const what = JSON.parse(line) as Said;
        said.push(what);
        if (what.started) resolve();
      });
      node.on('close', () => resolve());
    });
  };
  await begin();
  return {
    lives,
    ends,
    state: async () => {
      child.kill(ringsWanted);
      await wait(answerTime);
      const life = (lives.at(-1) ?? []).map((said) => JSON.stringify(said).replaceAll('\\n', '\n'));
      return [`backend ${lives.length}, ended so far: ${ends.join(', ') || 'none'}`, ...life].join('\n');
    },
    stop: async () => {
      stopping = true;
      child.kill('SIGTERM');
      await ended;
    },
  };
}
