// Packs our packages once for all suites of this folder.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { publicPackages, root } from './tarballs.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The tarball of each of our packages, by its name. */
    readonly tarballs: Readonly<Record<string, string>>;
  }
}

const run = promisify(execFile);
const destination = mkdtempSync(join(tmpdir(), 'vio-tarballs-'));

async function pack(folder: string): Promise<[name: string, tarball: string]> {
  const pnpm = join(root, 'node_modules/.bin/pnpm');
  const { stdout } = await run(pnpm, ['pack', '--json', '--pack-destination', destination], {
    cwd: join(root, 'packages', folder),
  });
  const { filename } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as { filename: string };
  return [`@vio/${folder}`, filename];
}

export async function setup(project: TestProject): Promise<void> {
  project.provide('tarballs', Object.fromEntries(await Promise.all(publicPackages().map(pack))));
}

export function teardown(): void {
  rmSync(destination, { recursive: true });
}
