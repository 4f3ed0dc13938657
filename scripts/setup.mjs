// Brings a fresh clone to a built tree: dependencies by pnpm, then the build by turbo. Needs Node, npm and g++.
//
//   node scripts/setup.mjs                       install what is missing, then build
//   node scripts/setup.mjs --after-npm-install   the root's `prepare`: completes a plain `npm install`
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pnpmVersion = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).packageManager.split('@')[1];

function run(command, args) {
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** True when pnpm has installed what the lock file says. */
function installed() {
  const state = join(root, 'node_modules', '.modules.yaml');
  return existsSync(state) && statSync(state).mtimeMs >= statSync(join(root, 'pnpm-lock.yaml')).mtimeMs;
}

function install() {
  const local = join(root, 'node_modules', '.bin', 'pnpm');
  const args = ['install', '--frozen-lockfile', '--reporter=append-only'];
  if (existsSync(local)) run(local, args);
  else run('npx', ['--yes', `pnpm@${pnpmVersion}`, ...args]);
}

if (process.argv.includes('--after-npm-install')) {
  // pnpm runs this script too, when it has already done the work.
  if (process.env['npm_config_user_agent']?.startsWith('npm/')) install();
} else {
  if (!installed()) install();
  run(join(root, 'node_modules', '.bin', 'turbo'), [
    'run',
    'build',
    '--log-order=grouped',
    '--output-logs=new-only',
  ]);
}
