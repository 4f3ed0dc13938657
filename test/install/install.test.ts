// The packages as a user gets them: packed, installed into an empty directory without a compiler, used.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks } from '../readme/code-blocks.ts';
import { importedPackages, isProgram, writeProgram } from '../readme/programs.ts';
import { BareProject, ours, packWithDependencies, publicPackages, root } from './tarballs.ts';

const run = promisify(execFile);
const destination = mkdtempSync(join(tmpdir(), 'vio-tarballs-'));
afterAll(() => rmSync(destination, { recursive: true }));

describe.each(publicPackages())('the tarball of @vio/%s', (name) => {
  let files: string[];
  let manifest: {
    scripts?: object;
    exports?: Readonly<Record<string, { readonly types?: string }>>;
    dependencies?: Record<string, string>;
  };

  const unpacked = join(destination, name);
  const read = (file: string): string => readFileSync(join(unpacked, file), 'utf8');

  beforeAll(async () => {
    mkdirSync(unpacked);
    await run('tar', ['-xzf', ours(`@vio/${name}`), '-C', unpacked, '--strip-components=1']);
    files = readdirSync(unpacked, { recursive: true, encoding: 'utf8' }).filter((file) =>
      statSync(join(unpacked, file)).isFile(),
    );
    manifest = JSON.parse(read('package.json')) as typeof manifest;
  });

  /** Modules with an entry of their own beside `internal`, as bundles name them: functions and numbers only, which may be there twice. */
  const takenIn = (): string[] =>
    Object.entries(manifest.exports ?? {})
      .filter(([entry]) => entry.startsWith('./internal/') || entry === './timeouts')
      .map(([, { types = '' }]) => types.replace('./dist/', '// src/').replace('.d.ts', '.ts'));

  it('has the README, the licence, the program and its types', () => {
    const entry = name === 'cli' ? ['bin/vio.js', 'dist/main.js'] : ['dist/index.js', 'dist/index.d.ts'];
    const wanted = ['README.md', 'LICENSE', 'package.json', ...entry];
    expect(wanted.filter((file) => !files.includes(file))).toEqual([]);
  });

  it('has everything once: neither sources of its program nor maps', () => {
    expect(files.filter((file) => file.startsWith('src/') || file.endsWith('.map'))).toEqual([]);
  });

  it('has every module in one file, so that a class is the same one at every entry', () => {
    const modules: string[] = [];
    for (const script of files.filter((file) => /^dist\/.*\.js$/.test(file))) {
      // Said again where the bundler puts a part of it elsewhere in the same file.
      modules.push(...new Set(Array.from(read(script).matchAll(/^\/\/ src\/.*\.ts$/gm), ([line]) => line)));
    }
    expect(modules.length).toBeGreaterThan(0);
    const twice = modules.filter((line, i) => modules.indexOf(line) !== i);
    expect(twice.filter((line) => !takenIn().includes(line))).toEqual([]);
  });

  it('has no class and no state in what bundles of others take in', () => {
    for (const line of takenIn()) {
      const source = readFileSync(join(root, 'packages', name, line.replace('// ', '')), 'utf8');
      expect(source).not.toMatch(/^(export )?(class|let|var)\b|= new [A-Z]/m);
    }
  });

  it('has no declaration that no entry of it leads to', () => {
    const open = Object.values(manifest.exports ?? {}).map(({ types }) => types?.slice(2));
    const reached = new Set<string>();
    for (let file = open.pop(); open.length > 0 || file !== undefined; file = open.pop()) {
      if (file === undefined || reached.has(file) || !files.includes(file)) continue;
      reached.add(file);
      for (const [, path] of read(file).matchAll(/["'](\.\.?\/[^"'\s]+?)(?:\.[jt]s)?["']/g))
        open.push(`${join(dirname(file), path)}.d.ts`);
    }
    expect(files.filter((file) => file.endsWith('.d.ts') && !reached.has(file))).toEqual([]);
  });

  it('has no entry that only a clone has', () => {
    expect(JSON.stringify(manifest)).not.toContain('vio-source');
  });

  it('has no tests in it', () => {
    expect(files.filter((file) => /\.test\.|test-support/.test(file))).toEqual([]);
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
    const tarball = ours('@vio/native');
    const { stdout } = await run('tar', ['-tzf', tarball]);
    expect(stdout).toContain(`package/prebuilds/linux-${process.arch}/@vio+native.glibc.node`);
  });
});

/** Bytes of all files of a folder. */
function sizeOf(directory: string): number {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(directory, name)))
    .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
}

describe.each(publicPackages().filter((name) => name !== 'cli'))(
  '@vio/%s in an empty project without a compiler',
  (name) => {
    const programs = codeBlocks(join(root, 'packages', name, 'README.md')).filter(isProgram);
    const project = new BareProject();
    afterAll(() => rmSync(project.directory, { recursive: true }));

    beforeAll(async () => {
      const wanted = new Set([`@vio/${name}`, ...programs.flatMap(({ code }) => importedPackages(code))]);
      const packed = new Map<string, string>();
      for (const wish of wanted) {
        for (const [key, tarball] of await packWithDependencies(wish, destination)) packed.set(key, tarball);
      }
      await project.install(packed.values());
      mkdirSync(join(project.directory, 'readme'));
    }, 240_000);

    it('can be imported, from CommonJS as well', async () => {
      const exported = `Object.keys(all).length > 0 ? 'ok' : 'nothing'`;
      project.write('import.mjs', `import * as all from '@vio/${name}'; console.log(${exported});`);
      project.write('require.cjs', `const all = require('@vio/${name}'); console.log(${exported});`);
      expect([await project.run('node', 'import.mjs'), await project.run('node', 'require.cjs')]).toEqual([
        'ok\n',
        'ok\n',
      ]);
    });

    it.each(programs.map((block) => [block.line, block] as const))(
      'runs line %i of its README',
      async (line, block) => {
        const file = await writeProgram(join(project.directory, 'readme'), `line${line}`, block);
        await expect(project.run('node', file)).resolves.toEqual(expect.any(String));
      },
    );
  },
);

describe('@vio/virtio-user', () => {
  const project = new BareProject();
  afterAll(() => rmSync(project.directory, { recursive: true }));

  beforeAll(async () => {
    await project.install((await packWithDependencies('@vio/virtio-user', destination)).values());
  }, 240_000);

  it('takes less than 4 MB, with the addon for four targets', () => {
    const installed = join(project.directory, 'node_modules');
    // Those of a release are others than what a machine has built for itself; how large they are is asked where they are built.
    const addons = 4 * 330_000 - sizeOf(join(installed, '@vio/native/prebuilds'));
    expect(sizeOf(installed) + addons).toBeLessThan(4e6);
  });

  it('runs the program of the front page', async () => {
    const [block] = codeBlocks(join(root, 'README.md')).filter(isProgram);
    const file = await writeProgram(project.directory, 'front', block);
    expect(await project.run('node', file)).toMatch(/split|packed/);
  });

  it('brings nothing of development along', () => {
    const names = readdirSync(join(project.directory, 'node_modules')).filter(
      (name) => !name.startsWith('.'),
    );
    expect(names).toEqual(['@vio', 'eventemitter3']);
  });
});

describe('the two entries of a package', () => {
  const project = new BareProject();
  afterAll(() => rmSync(project.directory, { recursive: true }));

  it('have the same classes', async () => {
    await project.install((await packWithDependencies('@vio/virtio-user', destination)).values());
    project.write(
      'entries.mjs',
      `import { VioError } from '@vio/native';
       import { checkOptions } from '@vio/native/internal';
       import { DevicePort, NetPort, QueueStats } from '@vio/net';
       import { queueCounterNames } from '@vio/net/internal';
       import { VirtioUserPort } from '@vio/virtio-user';
       import { parseVirtioUserConfig } from '@vio/virtio-user/internal';
       const thrown = (call) => { try { call(); } catch (error) { return error instanceof VioError; } };
       console.log(
         thrown(() => checkOptions('it', { no: 1 }, {})),
         thrown(() => parseVirtioUserConfig('no=1')),
         VirtioUserPort.prototype instanceof DevicePort && DevicePort.prototype instanceof NetPort,
         queueCounterNames.length === new QueueStats().counters.length,
       );`,
    );
    expect(await project.run('node', 'entries.mjs')).toBe('true true true true\n');
  }, 240_000);
});

describe('@vio/rings', () => {
  it('needs its error family only', async () => {
    const packed = await packWithDependencies('@vio/rings', destination);
    expect([...packed.keys()]).toEqual(['@vio/rings', '@vio/native']);
  });
});

describe('@vio/cli in an empty project', () => {
  const project = new BareProject();
  afterAll(() => rmSync(project.directory, { recursive: true }));

  it('gives the command vio, by the name of its package as well', async () => {
    await project.install((await packWithDependencies('@vio/cli', destination)).values());
    const command = ['inspect', '--features', '1'];
    expect([
      await project.run('npm', 'exec', '--offline', '--', 'vio', ...command),
      await project.run('npm', 'exec', '--offline', '--', '@vio/cli', ...command),
    ]).toEqual(['CSUM\n', 'CSUM\n']);
  }, 240_000);

  it('says what to do where its addon is missing, as of any failure', async () => {
    rmSync(join(project.directory, 'node_modules/@vio/native/prebuilds'), { recursive: true });
    const vio = (...args: string[]) => project.run('node', 'node_modules/@vio/cli/bin/vio.js', ...args);
    const told = await vio('doctor', 'path=/nowhere').catch((error: { stderr: string }) => error.stderr);
    expect(told.replaceAll(/linux-\w+/g, 'HERE')).toMatch(
      /^vio: the native part of vio for HERE cannot be loaded\n {2}remedy: install g\+\+, .*\n {2}code: VIO_NATIVE_MISSING\n$/,
    );
    expect(await vio('--help')).toContain('Usage: vio ');
  });
});
