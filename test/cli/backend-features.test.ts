// What `vio backend` offers, as a frontend sees it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { featureNames } from '@vio/net';
import { VhostUserFrontend } from '@vio/vhost';
import { afterAll, describe, expect, it } from 'vitest';
import { vio } from './vio.ts';

const program = fileURLToPath(new URL('../../packages/cli/bin/vio.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'vio-offer-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function offered(...options: string[]): Promise<string[]> {
  const path = join(directory, 'vhost.sock');
  const backend = spawn(process.execPath, [program, 'backend', path, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(backend.stdout, 'data');
    const frontend = await VhostUserFrontend.connect(path);
    const names = featureNames(await frontend.getFeatures());
    frontend.close();
    return names;
  } finally {
    backend.kill();
    await once(backend, 'close');
  }
}

const segmentation = [
  'GUEST_TSO4',
  'GUEST_TSO6',
  'GUEST_ECN',
  'GUEST_UFO',
  'HOST_TSO4',
  'HOST_TSO6',
  'HOST_USO',
];

describe('vio backend', () => {
  it('offers checksums and segmentation', async () => {
    expect(await offered()).toEqual(
      expect.arrayContaining(['CSUM', 'GUEST_CSUM', 'MRG_RXBUF', ...segmentation]),
    );
  });

  it('offers no segmentation with --no-tso', async () => {
    const names = await offered('--no-tso');
    expect([names.includes('CSUM'), names.filter((name) => segmentation.includes(name))]).toEqual([true, []]);
  });

  it('leaves out what it is told to', async () => {
    const names = await offered('--disable', 'csum,MRG_RXBUF');
    expect(names.filter((name) => name === 'CSUM' || name === 'MRG_RXBUF')).toEqual([]);
  });

  it('offers just what it is told to', async () => {
    const names = await offered('--features', 'VERSION_1,INDIRECT_DESC', '--queues', '1');
    expect(names.filter((name) => name !== 'BIT_30' && !name.includes('PROTOCOL'))).toEqual([
      'INDIRECT_DESC',
      'VERSION_1',
    ]);
  });

  it.each([
    ['--features', 'NO_SUCH', 2],
    ['--features', '0x8000000000000000', 1],
  ])('refuses %s %s', async (option, value, code) => {
    const { exitCode, stderr } = await vio('backend', join(directory, 'no.sock'), option, value);
    expect([exitCode, stderr === '']).toEqual([code, false]);
  });
});
