// The packages as a user gets them: packed, installed into an empty directory without a compiler, used.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks } from '../readme/code-blocks.ts';
import { BareProject, packOurs, packWithDependencies, root } from './tarballs.ts';

const run = promisify(execFile);
const destination = mkdtempSync(join(tmpdir(), 'vio-tarballs-'));
afterAll(() => rmSync(destination, { recursive: true }));

const publicPackages = readdirSync(join(root, 'packages')).filter((name) => {
  const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as {
    private?: boolean;
  };
  return manifest.private !== true;
});

/** The first snippet of a README as a program. */
async function firstSnippet(readme: string): Promise<string> {
  const block = codeBlocks(join(root, readme)).find(({ language }) => ['js', 'ts'].includes(language));
  if (block === undefined) throw new Error(`${readme} has no snippet`);
  return (await transform(block.code, { loader: 'ts', target: 'node20', format: 'esm' })).code;
}

describe.each(publicPackages)('the tarball of @vio/%s', (name) => {
  let files: string[];
  let manifest: { scripts?: object; dependencies?: Record<string, string> };

  beforeAll(async () => {
    const tarball = await packOurs(`@vio/${name}`, destination);
    const list = await run('tar', ['-tzf', tarball]);
    files = list.stdout
      .trim()
      .split('\n')
      .map((file) => file.replace('package/', ''));
    const content = await run('tar', ['-xzOf', tarball, 'package/package.json']);
    manifest = JSON.parse(content.stdout) as typeof manifest;
  });

  it('has the README, the licence, the program and its types', () => {
    const entry = name === 'cli' ? ['bin/vio.js', 'dist/main.js'] : ['dist/index.js', 'dist/index.d.ts'];
    const wanted = ['README.md', 'LICENSE', 'package.json', ...entry];
    expect(wanted.filter((file) => !files.includes(file))).toEqual([]);
  });

  it('has the sources that its source maps point to', () => {
    const maps = files
      .filter((file) => file.endsWith('.js.map'))
      .map((file) => file.slice('dist/'.length, -7));
    expect(maps.filter((file) => !files.includes(`src/${file}.ts`))).toEqual([]);
  });

  it('has no tests in it', () => {
    expect(files.filter((file) => /\.(test|fixture)\./.test(file))).toEqual([]);
  });

  it('runs nothing when it is installed', () => {
    const hooks = ['preinstall', 'install', 'postinstall'].filter((hook) => hook in (manifest.scripts ?? {}));
    expect(hooks).toEqual([]);
  });

  it('asks for exact versions, none of them of a workspace', () => {
    const versions = Object.values(manifest.dependencies ?? {});
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});

describe('@vio/native', () => {
  it('brings the addon for this machine', async () => {
    const tarball = await packOurs('@vio/native', destination);
    const { stdout } = await run('tar', ['-tzf', tarball]);
    expect(stdout).toContain(`package/prebuilds/linux-${process.arch}/@vio+native.glibc.node`);
  });
});

describe('@vio/virtio-user in an empty project without a compiler', () => {
  const project = new BareProject();
  afterAll(() => rmSync(project.directory, { recursive: true }));

  beforeAll(async () => {
    await project.install((await packWithDependencies('@vio/virtio-user', destination)).values());
  }, 120_000);

  it.each(['packages/virtio-user/README.md', 'README.md'])('runs the first snippet of %s', async (readme) => {
    project.write('snippet.js', await firstSnippet(readme));
    expect(await project.run('node', 'snippet.js')).toMatch(/split|packed/);
  });

  it.each(['nodenext', 'bundler'])(
    'has types that a strict compiler finds with moduleResolution %s',
    async (resolution) => {
      project.write(
        'consumer.ts',
        `import { VioError } from '@vio/native';
       import { type NetPort, PacketBurst, featureNames } from '@vio/net';
       import { BufferPool, type DriverQueue } from '@vio/rings';
       import { VhostDriver } from '@vio/vhost';
       import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';

       export async function use(path: string): Promise<Record<string, number>> {
         await using backend: VhostDriver = VhostDriver.register(path);
         await using port: VirtioUserPort = await openVirtioUser({ path, queues: 2 }, { timeout: 100 });
         const pool: BufferPool = port.pool;
         const queue: DriverQueue = port.rx[0].queue;
         const burst = new PacketBurst(32);
         const names: string[] = featureNames(port.features);
         for await (const frame of port.packets()) console.log(frame.byteLength, names, pool.free, queue.size);
         // @ts-expect-error: a port is no number
         const wrong: number = port;
         port.on('link', ({ up, reason }) => console.log(up, VioError.is(reason), burst.count, wrong));
         return port.stats();
       }
       export type Queues = NetPort['rx'];
      `,
      );
      const compilerOptions = {
        target: 'es2023',
        lib: ['es2023', 'esnext.disposable'],
        module: resolution === 'bundler' ? 'esnext' : 'nodenext',
        moduleResolution: resolution,
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
      };
      project.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
      const told = await project
        .run('node', join(root, 'node_modules/typescript/bin/tsc'), '-p', '.')
        .catch((error: { stdout: string }) => error.stdout);
      expect(told).toBe('');
    },
  );
});

describe('@vio/rings alone, without a compiler', () => {
  const project = new BareProject();
  afterAll(() => rmSync(project.directory, { recursive: true }));

  it('installs with its error family only, and runs the first snippet of its README', async () => {
    const packed = await packWithDependencies('@vio/rings', destination);
    expect([...packed.keys()]).toEqual(['@vio/rings', '@vio/native', 'node-gyp-build']);
    await project.install(packed.values());
    project.write('snippet.js', await firstSnippet('packages/rings/README.md'));
    await expect(project.run('node', 'snippet.js')).resolves.toEqual(expect.any(String));
  }, 120_000);
});

describe('@vio/cli in an empty project', () => {
  const project = new BareProject();
  afterAll(() => rmSync(project.directory, { recursive: true }));

  it('gives the command vio', async () => {
    await project.install((await packWithDependencies('@vio/cli', destination)).values());
    expect(await project.run('npm', 'exec', '--offline', '--', 'vio', 'inspect', '--features', '1')).toBe(
      'CSUM\n',
    );
  }, 120_000);
});
