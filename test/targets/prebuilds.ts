import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const root = join(import.meta.dirname, '../..');

/** Builds the addon as a release carries it, unless that was done since its sources changed. */
export async function builtForRelease(target: string): Promise<void> {
  await run(process.execPath, [join(root, 'packages/native/scripts/prebuilds.mjs'), target]);
}

/** Makes the directory where a clone keeps what it fetched and made to be a machine of this kind. */
export function machineDirectory(name: string): string {
  const directory = join(root, 'node_modules/.cache/vio-targets', name);
  mkdirSync(directory, { recursive: true });
  return directory;
}
