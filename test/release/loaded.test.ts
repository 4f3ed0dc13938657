// What a program that opens a port loads: every file is found, read and compiled before its first packet.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
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
