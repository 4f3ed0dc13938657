// `npm start`: brings a clone to where the echo example runs, and runs it. Builds that example and what it needs, no
// more; a machine that cannot do it is told so before anything is downloaded.
//
//   node scripts/start.mjs [SECONDS]
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { machineProblem } from '../packages/native/scripts/machine.mjs';
import { isProgram } from '../packages/native/scripts/program.mjs';
import { step } from './steps.mjs';
import { installCommand, installed, root } from './workspace.mjs';

function refuse(sentence) {
  process.stderr.write(`vio: ${sentence}\n`);
  process.exit(1);
}

const build = [process.execPath, join(root, 'packages/native/scripts/build.mjs')];

const problem = machineProblem();
if (problem !== undefined) refuse(problem);
if (!installed('examples/echo')) {
  // The compiler is needed last; whoever lacks it shall not wait for the rest.
  const [program, ...args] = build;
  const { status, stderr } = spawnSync(program, [...args, '--check'], { encoding: 'utf8' });
  if (status !== 0) refuse(stderr.trim().replace('@vio/native: ', ''));
  const install = installCommand();
  if (!isProgram(install[0], process.env.PATH)) refuse('npx was not found; it comes with npm.');
  // The addon is the next step's, beside the compiler of the other language.
  const only = ['--filter=vio', '--filter=@vio-examples/echo...'];
  if (!(await step('Dependencies', [...install, ...only, '--ignore-scripts']))) process.exit(1);
}
const compiler = join(root, 'node_modules/.bin/tsc');
const used = ['native', 'rings', 'net', 'vhost', 'vhost-kernel', 'virtio-user'].map(
  (name) => `packages/${name}`,
);
const bundle = [process.execPath, join(root, 'scripts/bundle.mjs'), ...used];
if (!(await step('C++ and TypeScript', build, [compiler, '-b', 'examples/echo'], bundle))) process.exit(1);

const example = [join(root, 'examples/echo/dist/main.js'), ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, example, { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
process.stdout.write(`
Next:
  examples/echo/src                   the two programs that ran
  packages/virtio-user/README.md      a port in a program of yours
  npm test                            the suites
  npm run bench -- --quick            beside DPDK (Debian: dpdk-dev; hugepages, root)
`);
