// Commands whose output nobody has to read: a line says how long they have been at it, and their output appears only
// when one of them fails.
import { spawn } from 'node:child_process';
import { root, toolEnvironment } from './workspace.mjs';

/** Below this, in milliseconds, there is nothing to say. */
const silence = 400;

/** Says on stderr what is going on, on a terminal with the seconds. @returns a function that ends the line */
function progress(title, stream = process.stderr) {
  const begin = performance.now();
  const elapsed = () => ((performance.now() - begin) / 1000).toFixed(1);
  let shown = false;
  const show = () => {
    if (stream.isTTY) stream.write(`\r${title} ... ${elapsed()} s`);
    else if (!shown) stream.write(`${title} ...\n`);
    shown = true;
  };
  const timers = [setTimeout(show, silence), setInterval(show, Math.max(silence, 500))];
  return (result) => {
    for (const timer of timers) clearTimeout(timer);
    if (!shown) return;
    stream.write(`${stream.isTTY ? '\r\u001b[K' : ''}${title}: ${result} ${elapsed()} s\n`);
  };
}

/** @returns {Promise<{ said: string, how: string | null }>} its output, and null when it ended well */
function run(command) {
  const [program, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      env: toolEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
    child.on('error', (error) => resolve({ said, how: `could not be run (${error.message})` }));
    child.on('close', (code, signal) =>
      resolve({ said, how: code === 0 ? null : `ended with ${signal ?? `exit code ${code}`}` }),
    );
  });
}

/**
 * Runs commands beside each other, in the root of the clone, and waits for all of them.
 * @param {string} title what they do, as a noun
 * @param {(string[] | (() => string[] | undefined))[]} commands or what finds out which, if any, when those before it have begun
 * @returns {Promise<boolean>} false when one failed; then its output, and which it was, are on stderr
 */
export async function step(title, ...commands) {
  const end = progress(title);
  const results = await Promise.all(
    commands.map(async (each) => {
      const command = typeof each === 'function' ? each() : each;
      return command === undefined ? { how: null } : { command, ...(await run(command)) };
    }),
  );
  const failed = results.filter(({ how }) => how !== null);
  end(failed.length === 0 ? 'done in' : 'failed after');
  for (const { command, said, how } of failed) {
    process.stderr.write(
      `${said.trimEnd()}\n\n${title} failed: "${command.join(' ')}" ${how}; its output is above.\n`,
    );
  }
  return failed.length === 0;
}
