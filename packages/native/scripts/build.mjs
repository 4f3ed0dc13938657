// Builds the addon with the C++ compiler alone: headers come from npm packages, nothing is downloaded.
//
//   node scripts/build.mjs [--asan | --tsan]
//
// The result is prebuilds/linux-<arch>/@vio+native.node (with a variant: prebuilds-asan/..., prebuilds-tsan/...),
// where node-gyp-build looks for it. CXX and CXXFLAGS are respected.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

function fail(sentence) {
  console.error(`@vio/native: ${sentence}`);
  process.exit(1);
}

if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
  fail(`${process.platform}-${process.arch} is not supported; vio needs Linux on x64 or arm64.`);
}

const variant = process.argv.includes('--asan') ? 'asan' : process.argv.includes('--tsan') ? 'tsan' : null;
const sanitizer = { asan: ['-fsanitize=address', '-g'], tsan: ['-fsanitize=thread', '-g'] }[variant] ?? [];
const compiler = process.env.CXX ?? 'g++';
const sources = join(root, 'native');
const headers = [require('node-api-headers').include_dir, require('node-addon-api').include_dir];
const flags = [
  '-std=c++17',
  '-O3',
  '-fPIC',
  '-shared',
  '-pthread',
  '-Wall',
  '-Wextra',
  '-Wno-unused-parameter',
  '-fvisibility=hidden',
  '-Wl,-z,nodelete', // the SIGBUS handler must outlive the worker thread that loaded the addon
  '-DNAPI_VERSION=8',
  '-DNAPI_CPP_EXCEPTIONS',
  '-DNODE_GYP_MODULE_NAME=vio_native',
  ...(variant === null ? ['-s'] : ['-fno-omit-frame-pointer']),
  ...sanitizer,
  ...(process.env.CXXFLAGS?.split(' ').filter(Boolean) ?? []),
];

const files = readdirSync(sources).filter((name) => /\.(cc|h)$/.test(name));
const hash = createHash('sha256').update(JSON.stringify([compiler, flags, process.arch]));
for (const name of files) hash.update(name).update(readFileSync(join(sources, name)));
const stamp = hash.digest('hex');

const directory = join(
  root,
  variant === null ? 'prebuilds' : `prebuilds-${variant}`,
  `linux-${process.arch}`,
);
const target = join(directory, '@vio+native.node');
const stampFile = join(directory, 'stamp');
if (existsSync(target) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) process.exit(0);

mkdirSync(directory, { recursive: true });
const fresh = `${target}.${process.pid}`;
const built = spawnSync(
  compiler,
  [
    ...flags,
    ...headers.flatMap((path) => ['-isystem', path]),
    ...files.filter((name) => name.endsWith('.cc')).map((name) => join(sources, name)),
    '-o',
    fresh,
  ],
  { stdio: 'inherit' },
);
if (built.error?.code === 'ENOENT') {
  fail(`the C++ compiler "${compiler}" was not found; install it (Debian: apt-get install g++) or set CXX.`);
}
if (built.status !== 0) fail(`"${compiler}" could not build the addon; see its messages above.`);
renameSync(fresh, target); // a running process keeps the old file
writeFileSync(stampFile, stamp);
