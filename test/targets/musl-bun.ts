// A runtime on musl where the system has glibc: Debian's musl, and Bun of npm, which there is for musl (of Node there is none).
// Bun asks for a libstdc++ on musl, which nobody packages but distributions that have no other libc: it is linked of g++'s own
// archive, with what that expects of glibc beside it.
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { builtForRelease, machineDirectory } from './prebuilds.ts';

const run = promisify(execFile);
const version = '1.4.4';
const loader = '/lib/ld-musl-x86_64.so.1';

/** Builds and fetches what is missing. @returns a program that runs like `bun` */
export async function muslBun(): Promise<string> {
  const directory = machineDirectory('musl');
  await builtForRelease('linux-x64-musl');
  writeFileSync(join(directory, 'package.json'), '{ "private": true }');
  const machine = ['--force', '--cpu=x64', '--os=linux', '--libc=musl'];
  const wanted = `@oven/bun-linux-x64-musl@${version}`;
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...machine, wanted], {
    cwd: directory,
  });
  const program = join(directory, 'node_modules/@oven/bun-linux-x64-musl/bin/bun');
  await linkLibrary(program, join(directory, 'libstdc++.so.6'));
  const libc = join(directory, 'libc.musl-x86_64.so.1');
  if (!existsSync(libc)) symlinkSync(loader, libc);
  const bun = join(directory, 'bun');
  writeFileSync(bun, `#!/bin/sh\nLIBC=musl LD_LIBRARY_PATH='${directory}' exec '${program}' "$@"\n`);
  chmodSync(bun, 0o755);
  return bun;
}

/** Makes the shared library of what a program takes of libstdc++. */
async function linkLibrary(program: string, library: string): Promise<void> {
  const archive = async (name: string): Promise<string> =>
    (await run('g++', [`-print-file-name=${name}`])).stdout.trim();
  const archives = await Promise.all(['libstdc++.a', 'libgcc_eh.a', 'libgcc.a'].map(archive));
  const { stdout } = await run('nm', ['-D', program]);
  const taken = [...stdout.matchAll(/ [UB] (_ZN?K?S\w+|_ZT\w+|__cxa_\w+|__dynamic_cast)$/gm)].map(
    ([, name]) => `-Wl,-u,${name}`,
  );
  await run('musl-gcc', [
    '-fPIC',
    '-shared',
    '-nostdlib',
    '-Wl,-soname,libstdc++.so.6',
    '-o',
    library,
    join(import.meta.dirname, 'glibc-parts.c'),
    ...taken,
    ...archives,
  ]);
}
