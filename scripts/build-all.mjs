// `scripts/setup.mjs`: dependencies by pnpm, then the build by turbo.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { installCommand, installed, root, toolEnvironment, writeProblem } from './workspace.mjs';

function run([program, ...args]) {
  const result = spawnSync(program, args, { cwd: root, stdio: 'inherit', env: toolEnvironment });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
}

const buildAddon = [process.execPath, join(root, 'packages/native/scripts/build.mjs')];

function install() {
  // Before anything is downloaded: is there what the download will need?
  const problem = writeProblem();
  if (problem !== undefined) {
    process.stderr.write(`vio: ${problem}\n`);
    process.exit(1);
  }
  run([...buildAddon, '--check']);
  run(installCommand());
}

if (process.argv.includes('--after-npm-install')) {
  // pnpm runs this script too, when it has already done the work.
  if (process.env['npm_config_user_agent']?.startsWith('npm/')) install();
} else {
  if (!installed()) install();
  const turbo = join(root, 'node_modules', '.bin', 'turbo');
  run([turbo, 'run', 'build', '--log-order=grouped', '--output-logs=new-only']);
  // Not turbo's to restore: it would put the addon of this machine in the place of a release's.
  run(buildAddon);
  run([process.execPath, join(root, 'scripts/bundle/leftovers.mjs')]);
}
