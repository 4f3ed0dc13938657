// What a program that opens a port loads: every file is found, read and compiled before its first packet.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { VhostDriver } from '@vio/vhost';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../install/tarballs.ts';

const asData = (module: string): string => `data:text/javascript,${encodeURIComponent(module)}`;

/** Tells on stderr of every module that is loaded. */
const teller = asData(`import { writeSync } from 'node:fs';
  export async function load(url, context, next) { writeSync(2, url + '\\n'); return next(url, context); }`);
const register = asData(`import { register } from 'node:module'; register(${JSON.stringify(teller)});`);

/** @returns what importing a package loads: files of ours below packages/, modules of others and of Node */
function loadedBy(specifier: string): { ours: string[]; others: string[] } {
  const program = ['--input-type=module', '-e', `await import('${specifier}')`];
  const { stderr } = spawnSync(process.execPath, ['--import', register, ...program], {
    cwd: join(root, 'test'),
    encoding: 'utf8',
  });
  const urls = stderr.split('\n').filter((line) => /^(file|node):/.test(line));
  const place = new URL('packages/', `file://${root}/`).href;
  const ours = urls.filter((url) => url.startsWith(place)).map((url) => url.slice(place.length));
  return { ours: ours.toSorted(), others: urls.filter((url) => !url.startsWith(place)) };
}

const port = loadedBy('@vio/virtio-user');

it('a port loads one file of all libraries below its own, and neither backends nor the device side of rings', () => {
  expect(port.ours).toEqual(['native/dist/port-side.js', 'virtio-user/dist/index.js']);
});

it('a port loads neither packages of others nor modules of Node by the loader of modules', () => {
  expect(port.others).toEqual([]);
});

it('a backend loads the rest of rings and of vhost, and no part twice', () => {
  const { ours } = loadedBy('@vio/vhost');
  expect(ours.filter((file) => /^(rings|vhost)\//.test(file))).toEqual([
    'rings/dist/internal.js',
    'vhost/dist/index.js',
    'vhost/dist/internal.js',
  ]);
});

it.each(['@vio/virtio-user', '@vio/cni', '@vio/switch/client'])(
  '%s tells an old Node that it is too old',
  (specifier) => {
    const old = 'data:text/javascript,process.getBuiltinModule = undefined; Object.defineProperty(process.versions, "node", { value: "20.10.0" })'; // prettier-ignore
    const program = `import('${specifier}').catch(({ code, message }) => console.log(code, message))`;
    const { stdout } = spawnSync(process.execPath, ['--import', old, '-e', program], {
      cwd: join(root, 'test'),
      encoding: 'utf8',
    });
    expect(stdout).toMatch(/^VIO_NODE_UNSUPPORTED Node 20\.10\.0 is not supported/);
  },
);

/** @returns what a module prints, in a process that goes on beside this one, as a backend in this one needs it */
async function outputOf(program: string): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: join(root, 'test'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return output;
}

it('what a port loads is no larger than it has to be', () => {
  const bytes = port.ours.map((file) => statSync(join(root, 'packages', file)).size);
  expect(bytes.reduce((sum, each) => sum + each)).toBeLessThan(330_000);
});

describe('what is loaded later', () => {
  const directory = mkdtempSync(join(tmpdir(), 'vio-loaded-'));
  const path = join(directory, 'port.sock');
  const driver = VhostDriver.register(path);

  beforeAll(() => driver.start());

  afterAll(async () => {
    await driver.close();
    rmSync(directory, { recursive: true });
  });

  /** @returns the names of the files that a process has loaded later, when it has opened a port and done something with it */
  async function loadedLater(devargs: string, does: string): Promise<string[]> {
    const program = `
      import { createRequire } from 'node:module';
      import { basename } from 'node:path';
      import { openVirtioUser } from '@vio/virtio-user';
      const port = await openVirtioUser('net_virtio_user0,path=${path}${devargs}');
      await port.send(new Uint8Array(64).fill(0xff));
      ${does}
      await port.close();
      const loaded = Object.keys(createRequire('${root}/').cache).filter((file) => file.includes('/later/'));
      console.log(JSON.stringify(loaded.map((file) => basename(file)).toSorted()));`;
    return JSON.parse(await outputOf(program)) as string[];
  }

  it('is nothing before the first packet', async () => {
    expect(await loadedLater('', '')).toEqual([]);
  });

  it('is packed rings where there are some, and zod where more is to be checked than a path', async () => {
    expect(await loadedLater(',packed_vq=1', '')).toEqual(['packed.cjs', 'schemas.cjs']);
  });

  it('is what looks at a port when somebody looks', async () => {
    expect(await loadedLater('', 'port.dumpRings();')).toEqual(['looks.cjs']);
  });

  it('is the class that has its name, and not one that looks like it', async () => {
    const compares = `import { Capture } from '@vio/net';
      if (!(port.capture() instanceof Capture)) throw new TypeError('another class');`;
    expect(await loadedLater('', compares)).toContain('looks.cjs');
  });
});

it('what is imported after a port was opened and closed is what the port is made of, whatever links lead there', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'vio-loaded-')), 'vhost.sock');
  const program = `
    import { VhostDriver } from '@vio/vhost';
    import { openVirtioUser } from '@vio/virtio-user';
    const driver = VhostDriver.register('${path}');
    await driver.start();
    const port = await openVirtioUser('net_virtio_user0,path=${path}');
    await port.close();
    await driver.close();
    const { NetPort } = await import('@vio/net');
    console.log(port instanceof NetPort);`;
  const output = await outputOf(program).finally(() => rmSync(join(path, '..'), { recursive: true }));
  expect(output).toBe('true\n');
});
