// Builds the addon with a C++ compiler alone: headers come from npm packages, nothing is downloaded.
//
//   node scripts/build.mjs [--target linux-x64-glibc | linux-arm64-glibc | linux-x64-musl | linux-arm64-musl]
//   node scripts/build.mjs --asan | --tsan
//   node scripts/build.mjs --check     builds nothing: says whether it could, before anything is downloaded for it
//
// The result is prebuilds/linux-<arch>/@vio+native.<libc>.node (with a variant: prebuilds-asan/..., prebuilds-tsan/...),
// where the package looks for it. The target is this machine unless one is given; what was built with --target is for
// a release, and is left as it is while the sources are. CXX, which may have arguments ("zig c++"), and CXXFLAGS are
// respected.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machineProblem } from './machine.mjs';
import { isProgram } from './program.mjs';
import { compilerFor, hostTarget, placeOf, targetNames } from './targets.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function fail(sentence) {
  console.error(`@vio/native: ${sentence}`);
  process.exit(1);
}

const problem = machineProblem();
if (problem !== undefined) fail(problem);

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    asan: { type: 'boolean' },
    tsan: { type: 'boolean' },
    check: { type: 'boolean' },
  },
});
const target = values.target ?? hostTarget();
if (!targetNames.includes(target)) {
  fail(`there is no target "${target}"; it can be ${targetNames.join(', ')}.`);
}
const variant = values.asan ? 'asan' : values.tsan ? 'tsan' : null;
const sanitizer = { asan: ['-fsanitize=address', '-g'], tsan: ['-fsanitize=thread', '-g'] }[variant] ?? [];
const compiler = compilerFor(target, process.env.CXX);
const [program, ...programArguments] = compiler.command;
const sources = join(root, 'native');
/** To optimise what only makes system calls would double what compiling it takes. */
const levels = { kernel: '-O3', rooms: '-O1' };
const flags = [
  '-std=c++17',
  '-fPIC',
  '-pthread',
  '-Wall',
  '-Wextra',
  '-Wno-unused-parameter',
  '-fvisibility=hidden',
  '-Wl,-z,nodelete', // the SIGBUS handler must outlive the worker thread that loaded the addon
  '-DNAPI_VERSION=8',
  '-DNAPI_CPP_EXCEPTIONS',
  // A call that finds its thread terminated cannot throw, and ends; without it the process would.
  '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
  '-DNODE_GYP_MODULE_NAME=vio_native',
  ...(variant === null ? ['-s'] : ['-fno-omit-frame-pointer']),
  ...compiler.flags,
  ...sanitizer,
  ...(process.env.CXXFLAGS?.split(' ').filter(Boolean) ?? []),
];

const files = readdirSync(sources, { recursive: true })
  .filter((name) => /\.(cc|h)$/.test(name))
  .toSorted((a, b) => (a < b ? -1 : 1));
const hash = createHash('sha256');
for (const name of files) hash.update(name).update(readFileSync(join(sources, name)));
const release = values.target !== undefined;
const stamp = {
  sources: hash.digest('hex'),
  by: [...compiler.command, ...Object.values(levels), ...flags].join(' '),
  release,
};

const place = placeOf(target);
const directory = join(root, variant === null ? 'prebuilds' : `prebuilds-${variant}`, place.directory);
const addon = join(directory, place.file);
const stampFile = `${addon}.stamp`;
const old = existsSync(addon) && existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : null;
const asked = release || process.env.CXX !== undefined || process.env.CXXFLAGS !== undefined;
if (old?.sources === stamp.sources) {
  const same = old.by === stamp.by && old.release === release;
  if (same || (old.release && !asked)) process.exit(0);
}

if (!isProgram(program, process.env.PATH)) {
  fail(`the C++ compiler "${program}" was not found; install it (Debian: apt-get install g++) or set CXX.`);
}
if (values.check) process.exit(0);

/** From beside this package, or from where whoever builds it is: one that is installed globally has them nowhere beside it. */
const requires = [import.meta.url, join(process.cwd(), 'package.json')].map((from) => createRequire(from));
const headers = [headersOf('node-api-headers'), headersOf('node-addon-api')];

function headersOf(name) {
  for (const require of requires) {
    try {
      return require(name).include_dir;
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return fail('there are no headers; npm install --no-save node-addon-api@8 node-api-headers@1 brings them.');
}

try {
  mkdirSync(directory, { recursive: true });
  accessSync(directory, constants.W_OK);
} catch ({ message }) {
  fail(`what is built cannot be written: ${message}.`);
}
const objects = mkdtempSync(join(tmpdir(), 'vio-native-'));
process.on('exit', () => rmSync(objects, { recursive: true }));

/** @returns what the compiler said, and its exit code */
function compile(level, args) {
  return new Promise((resolve) => {
    const child = spawn(program, [...programArguments, level, ...flags, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
    child.on('error', (error) => resolve({ said: `${said}${error.message}\n`, code: null }));
    child.on('close', (code) => resolve({ said, code }));
  });
}

function check({ said, code }) {
  // Beside a release build that succeeds, warnings are of the libc++ that zig builds by the way.
  if (code !== 0 || !release) process.stderr.write(said);
  if (code !== 0) fail(`"${compiler.command.join(' ')}" could not build the addon; see its messages above.`);
}

const include = [`-I${sources}`, ...headers.flatMap((path) => ['-isystem', path])];
/** Names of object files: sources of two rooms may have one name. */
const object = (name) => join(objects, `${name.replaceAll('/', '-')}.o`);
/**
 * A kernel is compiled by itself, so that what the compiler makes of it depends on nothing else. All other sources are one unit: what
 * each of them costs alone is mostly to read node-addon-api, which kernels do without, and its templates.
 * @returns names with the sources of each; the largest first: they take the longest, and others fill the processors beside them
 */
function unitsOf(names) {
  const size = (list) => list.reduce((sum, name) => sum + statSync(join(sources, name)).size, 0);
  const rooms = new Map();
  for (const name of names) {
    const unit = name.startsWith('kernels/') ? name : 'rooms';
    rooms.set(unit, [...(rooms.get(unit) ?? []), name]);
  }
  return [...rooms].toSorted(([, a], [, b]) => size(b) - size(a));
}

/** @returns the file to compile of a unit */
function sourceOf([name, members]) {
  if (members.length === 1) return join(sources, members[0]);
  const file = join(objects, `${name}.cc`);
  writeFileSync(file, members.map((member) => `#include "${member}"\n`).join(''));
  return file;
}

const levelOf = ([name]) => (name === 'rooms' ? levels.rooms : levels.kernel);

const units = unitsOf(files.filter((name) => name.endsWith('.cc')));
const waiting = units.values();
const workers = Array.from({ length: availableParallelism() }, async () => {
  for (const unit of waiting) {
    check(await compile(levelOf(unit), ['-c', ...include, sourceOf(unit), '-o', object(unit[0])]));
  }
});
await Promise.all(workers);
const fresh = `${addon}.${process.pid}`;
check(await compile(levels.kernel, ['-shared', ...units.map(([name]) => object(name)), '-o', fresh]));
renameSync(fresh, addon); // a running process keeps the old file
writeFileSync(stampFile, JSON.stringify(stamp));
