// Two containers without a network, which DPDK's testpmd connects.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { Testpmd, netVhost, withLog } from './testpmd.ts';

const program = fileURLToPath(new URL('../../examples/containers/dist/main.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'vio-containers-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('two containers on the two ports of a testpmd', () => {
  it('exchange frames, counted the same by testpmd', async () => {
    await using testpmd = await Testpmd.start({
      vdevs: ['ping', 'pong'].map((name, port) => netVhost(join(directory, `${name}.sock`), 1, { port })),
    });
    await testpmd.forward('io');
    const { stdout } = await withLog(testpmd, () =>
      promisify(execFile)(process.execPath, [program, '500', directory]),
    );
    expect(stdout).toContain('ping: 500 frames went to pong and back');
    const { rxPackets, txPackets } = await testpmd.stats(1);
    expect([rxPackets, txPackets].every((packets) => packets >= 500)).toBe(true);
  });
});
