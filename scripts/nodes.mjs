// Runs what a user does first, installing and the programs of the READMEs, on every line of Node that vio runs on.
//
//   node scripts/nodes.mjs [VERSION...]     default: the oldest of each line, and the newest
//
// The versions come from npm's package `node`. Exit code 1 when one of them failed.
import { spawnSync } from 'node:child_process';
import { root } from './workspace.mjs';

const versions = process.argv.length > 2 ? process.argv.slice(2) : ['20.19.0', '22.12.0', '24', '26'];
const vitest = 'node_modules/vitest/vitest.mjs';
const suites = [
  [vitest, 'run', '--config', 'test/install/vitest.config.ts', 'install.test.ts'],
  [vitest, 'run', '--config', 'test/vitest.config.ts', 'readme'],
];
const failed = versions.filter((version) => {
  console.log(`Node ${version}`);
  return suites.some((suite) => {
    const args = ['--yes', `--package=node@${version}`, '--', 'node', ...suite];
    return spawnSync('npx', args, { cwd: root, stdio: 'inherit' }).status !== 0;
  });
});
console.log(
  failed.length === 0 ? `passed on Node ${versions.join(', ')}` : `FAILED on Node ${failed.join(', ')}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
