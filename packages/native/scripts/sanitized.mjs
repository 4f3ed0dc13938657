// Runs the tests with the C++ built for a sanitizer of g++, preloaded into Node, and fails on any report of it.
//
//   node scripts/sanitized.mjs asan | tsan [vitest filters]
//
// asan finds bad memory accesses, and what the addon allocates and never frees (scripts/leaks.mjs). tsan finds data
// races between threads within the addon; Node itself is not instrumented, so what its code does is not looked at.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const scripts = dirname(fileURLToPath(import.meta.url));
const root = join(scripts, '../../..');
const [variant, ...filters] = process.argv.slice(2);
if (variant !== 'asan' && variant !== 'tsan') {
  console.error('usage: node scripts/sanitized.mjs asan | tsan [vitest filters]');
  process.exit(2);
}

const reports = mkdtempSync(join(tmpdir(), `vio-${variant}-`));
const failures = [];

function run(what, args, env = {}) {
  const { status, signal } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (status !== 0) failures.push(`${what} ended with ${signal ?? `exit code ${status}`}`);
  return status === 0;
}

/** The runtime must be in the process before anything else allocates: the compiler knows where it is. */
function runtime() {
  const compiler = process.env.CXX ?? 'g++';
  const { stdout } = spawnSync(compiler, [`-print-file-name=lib${variant}.so`], { encoding: 'utf8' });
  const path = stdout?.trim() ?? '';
  if (path.startsWith('/')) return path;
  console.error(`sanitized: ${compiler} has no lib${variant}.so; install g++ (it brings it on Debian)`);
  process.exit(2);
}

// Segmentation faults belong to V8, SIGBUS to the addon's own guard.
const options = `log_path=${join(reports, 'report')}:handle_segv=0:handle_sigbus=0:handle_abort=0`;
const sanitized = {
  asan: { LD_PRELOAD: runtime(), ASAN_OPTIONS: `${options}:detect_leaks=0` },
  tsan: {
    LD_PRELOAD: runtime(),
    TSAN_OPTIONS: `${options}:ignore_noninstrumented_modules=1:suppressions=${join(scripts, 'races.supp')}`,
  },
}[variant];

const built =
  run('the build', [join(scripts, 'build.mjs'), `--${variant}`]) &&
  run('the build', [join(root, 'node_modules/typescript/bin/tsc'), '-b']);
if (built) {
  const env = { ...sanitized, VIO_NATIVE_VARIANT: variant };
  const of = (place, names) => names.split(' ').map((name) => `${place}/${name}`);
  const usual = {
    // Where C++ touches memory or descriptors of others. What stands beside it in these places is TypeScript on top of it: payloads,
    // types, control, steering, and ports that come back.
    asan: [
      ...of('packages', 'native/ net/src/queue vhost-kernel vhost/src/frontend'),
      ...of('packages/vhost/src/backend', 'async crypto device/ driver iommu migration packets protocol'),
      ...of('packages/vhost/src/backend', 'raw vdpa vduse vring'),
      ...of('test/loopback', 'descriptors loopback interrupt datagram-offloads offloads sizes worker'),
    ],
    // Where several threads are in the addon: its own that copies, and those of Node.
    tsan: [
      'packages/native/',
      ...of('packages/vhost/src/backend', 'async migration/postcopy'),
      'test/loopback/worker',
    ],
  };
  const tests = filters.length > 0 ? filters : usual[variant];
  const patience = ['--testTimeout=120000', '--hookTimeout=120000'];
  // How the addon is built and published: the compiler would run with the sanitizer in it.
  const others = ['--exclude=packages/native/src/{install,prebuilds}.test.ts'];
  run(
    'the tests',
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...patience, ...others, ...tests],
    env,
  );
  if (variant === 'asan') {
    run('the search for leaks', [join(scripts, 'leaks.mjs')], {
      ...env,
      ASAN_OPTIONS: `${options}:fast_unwind_on_malloc=0`,
      LSAN_OPTIONS: `suppressions=${join(scripts, 'leaks.supp')}:print_suppressions=0`,
    });
  }
}

const found = readdirSync(reports);
for (const name of found) console.error(readFileSync(join(reports, name), 'utf8'));
rmSync(reports, { recursive: true });
if (found.length > 0) failures.push(`reports of ${found.length} process(es), see above`);
console.log(failures.length === 0 ? `${variant}: no reports` : `${variant}: FAILED: ${failures.join('; ')}`);
process.exitCode = failures.length === 0 ? 0 : 1;
