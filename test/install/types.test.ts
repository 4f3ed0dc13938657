// The types of the packages, as installed: for compilers from 5.6 to 7, in every way of resolving modules, none of it
// skipped; and what linters of packages say.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BareProject, ours, packWithDependencies, publicPackages, root } from './tarballs.ts';

const run = promisify(execFile);
const destination = mkdtempSync(join(tmpdir(), 'vio-types-'));
afterAll(() => rmSync(destination, { recursive: true }));

const compilers = {
  '5.6': join(import.meta.dirname, 'node_modules/typescript-5.6/bin/tsc'),
  '5.9': join(import.meta.dirname, 'node_modules/typescript-5.9/bin/tsc'),
  '6.0': join(import.meta.dirname, 'node_modules/typescript-6.0/bin/tsc'),
  '7': join(root, 'node_modules/typescript/bin/tsc'),
};

const consumer = `
  import { VioError } from '@vio/native';
  import { type NetPort, PacketBurst, featureNames } from '@vio/net';
  import { listVirtioDevices } from '@vio/pci-driver';
  import { BufferPool, type DriverQueue } from '@vio/rings';
  import { VhostDriver } from '@vio/vhost';
  import { Tap } from '@vio/vhost-kernel';
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
    console.log(listVirtioDevices().length, Tap, backend);
    return port.stats();
  }
  export type Queues = NetPort['rx'];
`;

/** As packages/virtio-user/README.md says: CommonJS of a compiler that knows no require of a module. */
const commonjs = `
  import type { VirtioUserPort } from '@vio/virtio-user' with { 'resolution-mode': 'import' };

  export async function open(path: string): Promise<VirtioUserPort> {
    const { openVirtioUser } = await import('@vio/virtio-user');
    return openVirtioUser({ path });
  }
`;

describe('a consumer', () => {
  const project = new BareProject();
  afterAll(() => rmSync(project.directory, { recursive: true }));

  beforeAll(async () => {
    const packed = new Map<string, string>();
    for (const name of publicPackages()) {
      for (const [key, tarball] of await packWithDependencies(`@vio/${name}`, destination))
        packed.set(key, tarball);
    }
    await project.install(packed.values());
    project.write('consumer.mts', consumer);
    project.write('consumer.cts', commonjs);
  }, 240_000);

  const ways = ['nodenext', 'node16', 'bundler'].flatMap((way) =>
    Object.keys(compilers).map((version) => [version, way] as const),
  );

  it.each(ways)('compiles by TypeScript %s with moduleResolution %s', async (version, way) => {
    const compilerOptions = {
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      module: way === 'bundler' ? 'esnext' : way,
      moduleResolution: way,
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
    };
    const files = ['consumer.mts', ...(way === 'bundler' ? [] : ['consumer.cts'])];
    const configuration = `tsconfig-${version}-${way}.json`;
    project.write(configuration, JSON.stringify({ compilerOptions, files }));
    const tsc = compilers[version as keyof typeof compilers];
    const told = await run(process.execPath, [tsc, '-p', configuration], { cwd: project.directory })
      .then(({ stdout }) => stdout)
      .catch((error: { stdout: string }) => error.stdout);
    expect(told).toBe('');
  });
});

describe.each(publicPackages())('@vio/%s', (name) => {
  it('is as publint wants it', async () => {
    const tarball = readFileSync(ours(`@vio/${name}`));
    const bytes = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength);
    const { messages, pkg } = await publint({ pack: { tarball: bytes }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
  });
});

// A command has nothing to import.
describe.each(publicPackages().filter((name) => name !== 'cli'))('@vio/%s', (name) => {
  it('has types for whoever can import it, says attw', async () => {
    const tarball = readFileSync(ours(`@vio/${name}`));
    const checked = await checkPackage(createPackageFromTarballData(tarball));
    const problems = checked.types === false ? ['no types'] : checked.problems;
    // It is a package of modules: CommonJS gets at it by import(), or by require in Node that can.
    const known = new Set(['CJSResolvesToESM', 'NoResolution']);
    const others = problems.filter((problem) => {
      if (typeof problem === 'string') return true;
      const old = 'resolutionKind' in problem && problem.resolutionKind === 'node10';
      return !(problem.kind === 'CJSResolvesToESM' || (known.has(problem.kind) && old));
    });
    expect(others).toEqual([]);
  });
});
