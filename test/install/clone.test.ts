// A plain `npm install` in a clone leaves a project that builds.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from './tarballs.ts';

const run = promisify(execFile);

describe('npm install in a clone', () => {
  const clone = mkdtempSync(join(tmpdir(), 'vio-clone-'));
  afterAll(() => rmSync(clone, { recursive: true }));

  beforeAll(async () => {
    await run('git', ['clone', '--quiet', root, clone]);
    // As from a shell: npm tells scripts about itself, and the test itself runs in one.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: clone, env });
  }, 300_000);

  it.each([
    ['the packages linked to each other', 'packages/virtio-user/node_modules/@vio/vhost/package.json'],
    ['the addon built', `packages/native/prebuilds/linux-${process.arch}/@vio+native.glibc.node`],
    ['the tools of the root', 'node_modules/.bin/vitest'],
  ])('leaves %s', (_, file) => {
    expect(existsSync(join(clone, file))).toBe(true);
  });

  it('changes no file of the repository', async () => {
    const { stdout } = await run('git', ['status', '--porcelain'], { cwd: clone });
    expect(stdout).toBe('');
  });
});
