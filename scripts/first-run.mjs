// `npm start`: brings a clone to where the echo example runs, and runs it. Installs and builds what that takes, no more: the
// tools that check and test come with `npm test`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isProgram } from '../packages/native/scripts/program.mjs';
import { isStale } from './bundle/stamp.mjs';
import { step } from './steps.mjs';
import { installCommand, installed, root, writeProblem } from './workspace.mjs';

function refuse(sentence) {
  process.stderr.write(`vio: ${sentence}\n`);
  process.exit(1);
}

/** Before anything is downloaded or written. A clone in which nothing is to be done need not be writable. */
function checkWritable() {
  const problem = writeProblem();
  if (problem !== undefined) refuse(problem);
}

const build = [process.execPath, join(root, 'packages/native/scripts/build.mjs')];

if (!installed('examples/echo')) {
  checkWritable();
  // The compiler is needed last; whoever lacks it shall not wait for the rest.
  const [program, ...args] = build;
  const { status, stderr } = spawnSync(program, [...args, '--check'], { encoding: 'utf8' });
  if (status !== 0) refuse(stderr.trim().replace('@vio/native: ', ''));
  const install = installCommand();
  if (!isProgram(install[0], process.env.PATH)) refuse('npx was not found; it comes with npm.');
  // Whoever has the tools keeps them. Without, a tenth of everything is enough: what builds is a dependency of scripts/.
  const only = ['--prod', '--filter=@vio/scripts', '--filter=@vio-examples/echo...'];
  const parts = install[0] === 'npx' ? only : [];
  // The addon is the next step's, beside the compiler of the other language.
  if (!(await step('Dependencies', [...install, ...parts, '--ignore-scripts']))) process.exit(1);
}
const used = ['native', 'rings', 'net', 'vhost', 'vhost-kernel', 'virtio-user'].map(
  (name) => `packages/${name}`,
);
const directories = [...used, 'examples/echo'].map((name) => join(root, name));
// Mostly nothing has changed: that is asked here, beside the other language, and no bundler is loaded.
const stale = () => {
  const seen = new Map();
  const found = directories.some((directory) => isStale(directory, root, seen));
  if (found) checkWritable();
  return found;
};
const bundle = [process.execPath, join(root, 'scripts/bundle.mjs'), ...directories];
if (!(await step('C++ and TypeScript', build, () => (stale() ? bundle : undefined)))) process.exit(1);

// Takes the same arguments.
await import(pathToFileURL(join(root, 'examples/echo/dist/main.js')).href);
process.stdout.write(`
Next:
  examples/echo/src                   the two programs that ran
  packages/virtio-user/README.md      a port in a program of yours
  npm test                            the suites
  npm run bench -- --quick            beside DPDK (Debian: dpdk-dev; hugepages, root)
`);
