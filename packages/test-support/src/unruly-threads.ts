import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What becomes of threads: an exception, an end, a loop without end, a wait in the kernel that nobody ends. */
export type Unruliness = 'throw' | 'exit' | 'hang' | 'wait';

/** What every thread but the main one looks for. Nothing of a program has to know of it. */
const hook = `
const { existsSync, openSync } = require('node:fs');
const { isMainThread } = require('node:worker_threads');
const is = (what) => existsSync(__dirname + '/' + what);
const look = () => {
  if (is('throw')) throw new Error('unruly');
  if (is('exit')) process.exit(7);
  if (is('hang')) for (;;);
  if (is('wait')) openSync(__dirname + '/nobody-writes');
};
if (!isMainThread) setInterval(look, 5).unref();
`;

/** Threads of a program that misbehave when a test wants it: they are started with these `nodeOptions` in their environment. */
export class UnrulyThreads {
  /** For NODE_OPTIONS of the process that starts them. */
  readonly nodeOptions: string;
  readonly #directory: string;

  /** @param directory that nobody else writes to */
  constructor(directory: string) {
    this.#directory = join(directory, 'unruly');
    mkdirSync(this.#directory);
    const file = join(this.#directory, 'hook.cjs');
    writeFileSync(file, hook);
    execFileSync('mkfifo', [join(this.#directory, 'nobody-writes')]);
    this.nodeOptions = `--require=${file}`;
  }

  /** All of them do that, from now on. */
  become(what: Unruliness): void {
    writeFileSync(join(this.#directory, what), '');
  }
}
