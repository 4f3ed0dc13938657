// The driver of testpmd, tested on two testpmds: backend and frontend. What holds here is not vio's doing.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cpuFlags } from '../support/cpus.ts';
import { goldenRows } from '../support/golden-rows.ts';
import { Testpmd, netVhost, netVirtioUser } from './testpmd.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-testpmd-'));
const socket = join(directory, 'vhost.sock');
afterAll(() => rmSync(directory, { recursive: true }));

describe('two testpmds on one socket', () => {
  let backend: Testpmd;
  let frontend: Testpmd;

  beforeAll(async () => {
    backend = await Testpmd.start({ vdevs: [netVhost(socket, 1)], forwardMode: 'rxonly' });
    frontend = await Testpmd.start({
      vdevs: [netVirtioUser(socket, 1, 'mrg_rxbuf=1,in_order=0')],
      forwardMode: 'txonly',
    });
  });
  afterAll(async () => {
    await frontend?.quit();
    await backend?.quit();
  });

  it('exchange frames, counted the same on both sides', async () => {
    await backend.run('start');
    await frontend.run('start');
    await frontend.stop();
    await backend.stop();
    const sent = (await frontend.stats()).txPackets;
    expect(sent).toBeGreaterThan(0);
    expect((await backend.stats()).rxPackets).toBe(sent);
  });

  it('tell extended statistics', async () => {
    const xstats = await frontend.xstats();
    expect(xstats.get('tx_q0_good_packets')).toBe(xstats.get('tx_good_packets'));
  });

  it('refuse a command that does not exist', async () => {
    await expect(backend.run('shwo port stats 0')).rejects.toThrow('Command not found');
  });
});

describe('a testpmd that cannot start', () => {
  it('is told with its own words', async () => {
    const started = Testpmd.start({ vdevs: ['net_vhost0,queues=1'] });
    await expect(started).rejects.toThrow(
      /testpmd ended[^]*(failed to initialize|Failed to probe device) net_vhost0/,
    );
  });
});

describe.each(goldenRows)('$name', (row) => {
  it('makes DPDK take the paths the row is for', async () => {
    await using backend = await Testpmd.start({ vdevs: [netVhost(socket, 1)] });
    await using frontend = await Testpmd.start({
      vdevs: [netVirtioUser(socket, 1, row.devargs)],
      ...(row.vectorized ? { simdBits: 512 } : {}),
    });
    // Without AVX-512 DPDK falls back to the standard paths of packed rings.
    const vectorless = row.packed && row.vectorized && !cpuFlags().has('avx512f');
    for (const path of [row.dpdkPaths.rx, row.dpdkPaths.tx]) {
      expect(frontend.log).toContain(
        `using ${vectorless ? path.replace('vectorized', 'standard') : path} on port 0`,
      );
    }
    expect(backend.log).toContain('virtio is now ready for processing');
  });
});
