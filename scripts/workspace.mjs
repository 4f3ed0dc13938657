// Where this clone is, and how its dependencies come into it.
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * True when pnpm has installed what the lock file says.
 * @param {string} last the folder that whoever asks needs; `npm start` installs less than all of them
 */
export function installed(last = 'test/install') {
  const state = join(root, 'node_modules', '.modules.yaml');
  if (!existsSync(state) || !existsSync(join(root, last, 'node_modules'))) return false;
  return statSync(state).mtimeMs >= statSync(join(root, 'pnpm-lock.yaml')).mtimeMs;
}

/** @returns {string | undefined} a sentence when whoever asks may not write into this clone */
export function writeProblem() {
  try {
    accessSync(root, constants.W_OK);
  } catch {
    return `${root} cannot be written, and what is installed and built goes there; copy it to where you may write.`;
  }
}

/** @returns {string[]} the command that installs them: by the pnpm of this clone, before that by the same one of npm */
export function installCommand() {
  const local = join(root, 'node_modules', '.bin', 'pnpm');
  // What `npm start` has installed has no tools of development: pnpm begins anew then, and asks nobody.
  const args = [
    'install',
    '--frozen-lockfile',
    '--reporter=append-only',
    '--config.confirm-modules-purge=false',
  ];
  if (existsSync(local)) return [local, ...args];
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return ['npx', '--yes', packageManager, ...args];
}

/** Where what building takes is, when `npm start` has installed nothing else of development. */
export const buildModules = join(root, 'scripts/node_modules');

/** The environment of tools: none of them reports to its maker. */
export const toolEnvironment = {
  ...process.env,
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
  NODE_PATH: [buildModules, process.env['NODE_PATH']].filter(Boolean).join(delimiter),
};

/** @param {string} name of a package, without its scope */
export const manifestFile = (name) => join(root, 'packages', name, 'package.json');
export const manifestOf = (name) => JSON.parse(readFileSync(manifestFile(name), 'utf8'));
