// Boots user-mode Linux on this machine's own files, with a vhost-user device, and runs commands in it step by step.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a step said (both streams), and its exit code. */
export interface StepResult {
  readonly said: string;
  readonly exitCode: number;
}

/** Shell commands by the name of the step. */
export type Steps = Readonly<Record<string, string>>;

/** This checkout, which the guest sees at the same place. */
export const repository = join(
  dirname(fileURLToPath(import.meta.url)).replace(/test\/dist\/uml$/, 'test/uml'),
  '../..',
);

/** Virtio's network driver is a module of Debian's kernel. */
const prologue = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/
mount -t proc proc /proc; mount -t sysfs sys /sys
for module in net/core/failover drivers/net/net_failover drivers/net/virtio_net; do
  insmod /usr/lib/uml/modules/$(uname -r)/kernel/$module.ko
done
ip link set lo up
`;

const mark = '@@';

/** Of the whole guest: milliseconds until it is killed. */
const patience = 100_000;

/**
 * Boots, takes the steps one after the other, whatever becomes of them, and ends.
 * @param sockets of the backends, which listen already: eth0, eth1, ...
 * @throws Error with all that was said when the kernel does not get through them; when there is none to boot
 */
export async function runInUml<S extends Steps>(
  sockets: readonly string[],
  steps: S,
): Promise<Record<keyof S, StepResult>> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-uml-'));
  const init = join(directory, 'init');
  const script = Object.entries(steps).map(
    ([name, commands]) => `echo "${mark} ${name}"\n(set -e\n${commands}\n) 2>&1\necho "\n${mark} ended $?"\n`,
  );
  writeFileSync(init, `${prologue}${script.join('')}busybox poweroff -f\n`, { mode: 0o755 });
  try {
    const said = await boot([
      'mem=256M root=/dev/root rootfstype=hostfs rootflags=/ ro con=null con0=null,fd:1 quiet',
      `init=${init}`,
      ...sockets.map((socket) => `virtio_uml.device=${socket}:1`),
    ]);
    return resultsOf(steps, said);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function boot(words: readonly string[]): Promise<string> {
  // Its memory is a file of its own, in the directory TMPDIR says.
  const child: ChildProcess = spawn('linux.uml', words.join(' ').split(' '), {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A kernel has processes of its own, which go with it.
    detached: true,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => (said += text));
  }
  const watchdog = setTimeout(() => {
    said += `\nnot done after ${patience} ms`;
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, patience);
  return new Promise((resolve, reject) => {
    child.on('error', (cause) =>
      reject(new Error("no linux.uml: install Debian's package user-mode-linux", { cause })),
    );
    child.on('close', () => {
      clearTimeout(watchdog);
      resolve(said);
    });
  });
}

function resultsOf<S extends Steps>(steps: S, console: string): Record<keyof S, StepResult> {
  const results: Partial<Record<keyof S, StepResult>> = {};
  for (const name of Object.keys(steps) as (keyof S & string)[]) {
    const found = new RegExp(`^${mark} ${name}\\r?\\n([^]*?)\\r?\\n${mark} ended (\\d+)`, 'm').exec(console);
    if (found === null) throw new Error(`user-mode Linux did not end the step ${name}\n${console}`);
    results[name] = { said: found[1].replaceAll('\r', '').trim(), exitCode: Number(found[2]) };
  }
  return results as Record<keyof S, StepResult>;
}
