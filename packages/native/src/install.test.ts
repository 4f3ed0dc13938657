// How the C++ comes to a user: built in a clone by scripts/build.mjs, carried along by a released package.
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
const addonFile = join(root, `prebuilds/linux-${process.arch}/@vio+native.${libc}.node`);
const scratch = scratchDirectory();

interface Outcome {
  readonly code: number;
  readonly stderr: string;
}

function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(program, args, { env, cwd }, (error, _stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stderr: stderr.trim() });
    });
  });
}

const runNode = (args: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> =>
  run(process.execPath, args, root, env);

const runShell = (line: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Outcome> =>
  run('/bin/sh', ['-c', line], cwd, env);

/** Pretends another platform before anything else runs. */
const onPlatform = (platform: string, arch: string): string =>
  `--import=data:text/javascript,Object.defineProperties(process,{platform:{value:'${platform}'},arch:{value:'${arch}'}})`;

/** Pretends another version before anything else runs, without what an old one does not have. */
const onNode = (version: string): string =>
  `--import=data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}});delete process.getBuiltinModule`;

describe('building', () => {
  const build = join(root, 'scripts/build.mjs');
  /** Flags that no finished build had, so that there is something to do. */
  const fresh = { PATH: process.env['PATH'], CXXFLAGS: '-DVIO_BUILD_TEST' };

  it('has nothing to do when the sources are as they were, and needs no compiler then', async () => {
    await runNode([build], { PATH: process.env['PATH'] });
    const before = statSync(addonFile).mtimeMs;
    const { code } = await runNode([build], { PATH: '/nowhere' });
    expect([code, statSync(addonFile).mtimeMs]).toEqual([0, before]);
  }, 60_000);

  it.each([
    ['without g++ on the path', { PATH: '/nowhere' }, 'g++'],
    ['with a CXX that does not exist', { CXX: 'no-such-c++' }, 'no-such-c++'],
  ])('%s says in one sentence what to install', async (_how, env, compiler) => {
    const { code, stderr } = await runNode([build], { ...fresh, ...env });
    expect([code, stderr]).toEqual([
      1,
      `@vio/native: the C++ compiler "${compiler}" was not found; install it (Debian: apt-get install g++) or set CXX.`,
    ]);
  });

  it('for a target that there is not says which there are', async () => {
    const { code, stderr } = await runNode([build, '--target', 'linux-x64-uclibc'], fresh);
    expect([code, stderr]).toEqual([
      1,
      '@vio/native: there is no target "linux-x64-uclibc"; it can be linux-x64-glibc, linux-arm64-glibc, linux-x64-musl, linux-arm64-musl.',
    ]);
  });

  it('takes a CXX that has arguments', async () => {
    const { code, stderr } = await runNode([build], { ...fresh, CXX: 'false some arguments' });
    expect([code, stderr]).toEqual([
      1,
      '@vio/native: "false some arguments" could not build the addon; see its messages above.',
    ]);
  });

  it('that fails says so last, and leaves the addon that is there', async () => {
    const before = readFileSync(addonFile);
    const { code, stderr } = await runNode([build], { ...fresh, CXXFLAGS: '-fno-such-flag' });
    expect([code, stderr.split('\n').at(-1), readFileSync(addonFile).equals(before)]).toEqual([
      1,
      '@vio/native: "g++" could not build the addon; see its messages above.',
      true,
    ]);
  });

  it.each([
    ['darwin', 'arm64'],
    ['win32', 'x64'],
    ['linux', 'ia32'],
  ])('on %s-%s says in one sentence what is supported', async (platform, arch) => {
    const { code, stderr } = await runNode([onPlatform(platform, arch), build], fresh);
    expect([code, stderr]).toEqual([
      1,
      `@vio/native: ${platform}-${arch} is not supported; vio needs Linux on x64 or arm64.`,
    ]);
  });
});

describe('a check before building', () => {
  const check = [join(root, 'scripts/build.mjs'), '--check'];

  it('is content when there is nothing to do', async () => {
    await runNode([check[0]], { PATH: process.env['PATH'] });
    expect(await runNode(check, { PATH: '/nowhere' })).toEqual({ code: 0, stderr: '' });
  }, 60_000);

  it('says what is missing, and needs none of the packages that building needs', async () => {
    const bare = join(scratch, 'bare');
    cpSync(join(root, 'scripts'), join(bare, 'scripts'), { recursive: true });
    cpSync(join(root, 'native'), join(bare, 'native'), { recursive: true });
    const [, ...flags] = check;
    const { code, stderr } = await runNode([join(bare, 'scripts/build.mjs'), ...flags], { PATH: '/nowhere' });
    expect([code, stderr]).toEqual([
      1,
      '@vio/native: the C++ compiler "g++" was not found; install it (Debian: apt-get install g++) or set CXX.',
    ]);
    expect(existsSync(join(bare, 'prebuilds'))).toBe(false);
  });

  it.each([
    ['18.20.4', false],
    ['20.18.3', false],
    ['20.19.0', true],
    ['21.7.3', false],
    ['22.11.0', false],
    ['22.12.0', true],
    ['23.11.0', false],
    ['24.0.0', true],
    ['26.1.0', true],
  ])('takes Node %s: %s', async (version, taken) => {
    const { code, stderr } = await runNode([onNode(version), ...check], { PATH: process.env['PATH'] });
    const refusal = `@vio/native: Node ${version} is not supported; vio needs Node 20.19, 22.12, or 24 and newer (https://nodejs.org).`;
    expect([code, stderr]).toEqual(taken ? [0, ''] : [1, refusal]);
  });
});

describe('a released package', () => {
  /** What `files` of package.json lets into a package, installed somewhere. */
  function install(name: string): string {
    const directory = join(scratch, name, 'node_modules/@vio/native');
    mkdirSync(directory, { recursive: true });
    for (const part of ['package.json', 'dist', 'prebuilds', 'native', 'scripts']) {
      cpSync(join(root, part), join(directory, part), { recursive: true });
    }
    return directory;
  }

  const load = (directory: string): string[] => [
    '--input-type=module',
    '-e',
    `import(${JSON.stringify(join(directory, 'dist/index.js'))}).then(
      ({ EventFd }) => { EventFd.create().close(); console.error('loaded'); },
      ({ code, message, remedy }) => console.error(code, '|', message, '|', remedy));`,
  ];

  it('loads without a compiler', async () => {
    const { stderr } = await runNode(load(install('complete')), {});
    expect(stderr).toBe('loaded');
  });

  it('without its addon says so, and what to do', async () => {
    const directory = install('incomplete');
    rmSync(join(directory, 'prebuilds'), { recursive: true });
    const { stderr } = await runNode(load(directory), {});
    expect(stderr).toMatch(
      /^VIO_NATIVE_MISSING \| the native part of vio for linux-\w+ cannot be loaded \| .*install g\+\+/,
    );
  });

  it('without its addon, where there is a compiler, says in one line how to build it, and that works', async () => {
    const directory = install("built somebody's");
    rmSync(join(directory, 'prebuilds'), { recursive: true });
    // Stands for the compiler: what it is called with is what matters here.
    const bin = join(scratch, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'g++'), '', { mode: 0o755 });
    const { stderr } = await runNode(load(directory), { PATH: bin });
    const [, packages, line = ''] =
      /\| build it: npm install --no-save (\S+ \S+) && (node .*)$/.exec(stderr) ?? [];
    expect(packages).toBe('node-addon-api@8 node-api-headers@1');
    // Not where the package is, as somebody has it who installed it globally.
    const cwd = join(scratch, 'headers');
    const build = () => runShell(line, cwd, { PATH: process.env['PATH'], CXXFLAGS: '-O0' });
    mkdirSync(join(cwd, 'node_modules'), { recursive: true });
    expect(await build()).toEqual({
      code: 1,
      stderr: `@vio/native: there are no headers; npm install --no-save ${packages} brings them.`,
    });
    for (const name of ['node-addon-api', 'node-api-headers'])
      symlinkSync(join(root, 'node_modules', name), join(cwd, 'node_modules', name));
    expect([(await build()).code, (await runNode(load(directory), {})).stderr]).toEqual([0, 'loaded']);
  }, 120_000);

  it('on another platform says so', async () => {
    const { stderr } = await runNode([onPlatform('darwin', 'arm64'), ...load(install('elsewhere'))], {});
    expect(stderr).toMatch(/^VIO_NATIVE_MISSING \| .* for darwin-arm64 .* \| use Linux on x64 or arm64/);
  });

  it('on a Node that is too old says so', async () => {
    const old = onNode('18.20.4');
    const { stderr } = await runNode([old, ...load(install('old'))], {});
    expect(stderr).toMatch(
      /^VIO_NODE_UNSUPPORTED \| Node 18\.20\.4 is not supported \| use Node 20\.19, 22\.12, or 24 and newer/,
    );
  });

  it('has no variant that was not built', async () => {
    const { stderr } = await runNode(load(install('variant')), { VIO_NATIVE_VARIANT: 'absent' });
    expect(stderr).toMatch(/^VIO_NATIVE_MISSING/);
  });
});
