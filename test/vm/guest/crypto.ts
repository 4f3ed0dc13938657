// A crypto card of QEMU's, behind which is a program of ours: the kernel's driver for it, by AF_ALG. Prints the reports of its steps as JSON.
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CryptoPlan, CryptoStep } from '../crypto-plan.ts';
import { shell } from './commands.ts';
import { monitor } from './monitor.ts';
import { type Steps, reportSteps } from './steps.ts';

const [planText, stepsText] = process.argv.slice(2);
const { directory, chardev }: CryptoPlan = JSON.parse(planText);
const steps: Steps<CryptoStep> = JSON.parse(stepsText);
const driver = '/sys/bus/virtio/drivers/virtio_crypto';
let device = '';

/** Has the kernel carry requests out, each with a session of its own. @returns what came of each */
function ciphers(requests: string): string[] {
  const program = join(directory, 'af-alg');
  const answers = execFileSync(program, ['virtio_crypto_aes_cbc'], {
    input: requests,
    encoding: 'utf8',
    timeout: 120_000,
    maxBuffer: 1 << 26,
  });
  return answers.trimEnd().split('\n');
}

const inputs = (file: string): string => readFileSync(join(directory, file), 'utf8');

/** How often each answer came. */
function repeat(file: string, sessions: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const answer of ciphers(inputs(file).repeat(sessions))) counts[answer] = (counts[answer] ?? 0) + 1;
  return counts;
}

/** What QEMU says of its sockets. */
const sockets = (): Promise<string> =>
  shell(`stty -F /dev/ttyS1 raw -echo
  timeout 1 cat /dev/ttyS1 & sleep 0.2; printf '\\rinfo chardev\\r' > /dev/ttyS1; wait`);

/** Waits until QEMU is connected to the card, or is not. */
async function connected(wanted: boolean): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    const [, filename] = new RegExp(`${chardev}: filename=(\\S+)`).exec(await sockets()) ?? [];
    if (filename !== undefined && filename.startsWith('disconnected') !== wanted) return;
  }
  throw new Error(`QEMU is ${wanted ? 'not connected' : 'connected'} after a minute`);
}

/** QEMU writes a file of this machine's, which those see that look after the card. */
const ask = (what: string): Promise<void> => monitor(`pmemsave 0 1 "${join(directory, what)}"`);

async function kill(): Promise<string> {
  await ask('kill');
  await connected(false);
  await ask('revive');
  await connected(true);
  return 'another one';
}

function run(step: CryptoStep): unknown {
  switch (step[0]) {
    case 'sh':
      return shell(step[1]);
    case 'ciphers':
      return ciphers(inputs(step[1]));
    case 'repeat':
      return repeat(step[1], step[2]);
    case 'unbind':
      device = readdirSync(driver).find((name) => /^virtio\d+$/.test(name)) ?? '';
      writeFileSync(join(driver, 'unbind'), device);
      return readdirSync(driver).includes(device);
    case 'kill':
      return kill();
    case 'bind':
      writeFileSync(join(driver, 'bind'), device);
      return readdirSync(driver).includes(device);
  }
}

await reportSteps(steps, run);
