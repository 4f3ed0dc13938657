// DPDK's testpmd as the backend, killed (SIGKILL) in mid-traffic and started again: fifty times in all.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openVirtioUser } from '@vio/virtio-user';
import { afterAll, describe, expect, it } from 'vitest';
import { heldBuffers, isBack, traffic } from '../support/traffic.ts';
import { Testpmd, netVhost } from './testpmd.ts';

const rounds = 13;
const directory = mkdtempSync(join(tmpdir(), 'vio-kill-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe.each([
  { server: false, packed: 0 },
  { server: false, packed: 1 },
  { server: true, packed: 0 },
  { server: true, packed: 1 },
])('server=$server packed_vq=$packed', ({ server, packed }) => {
  it(`loses no buffer and sees no frame twice over ${rounds} kills`, async () => {
    const socket = join(directory, `${Number(server)}${packed}.sock`);
    const devargs = `net_virtio_user0,path=${socket},server=${Number(server)},packed_vq=${packed}`;
    const startTestpmd = async (): Promise<Testpmd> => {
      const started = await Testpmd.start({ vdevs: [netVhost(socket, 1, { client: server })], queues: 1 });
      await started.forward('io');
      return started;
    };
    const options = { timeout: 20_000, reconnect: { minDelay: 50, maxDelay: 200 } };
    let opening = server ? openVirtioUser(devargs, options) : undefined;
    opening?.catch(() => {}); // seen below, after testpmd's own troubles
    let testpmd = await startTestpmd();
    opening ??= openVirtioUser(devargs, options);
    await using port = await opening;
    const flow = traffic(port);
    const ends = new Set<string | undefined>();
    const comesBack = async (frames: number): Promise<void> => {
      const wanted = flow.seen.size + frames;
      while (flow.seen.size < wanted) await sleep(5);
    };
    try {
      for (let round = 0; round < rounds; round++) {
        await comesBack(1000);
        const back = isBack(port);
        await testpmd.kill();
        ends.add(testpmd.exit);
        // As a supervisor: DPDK does not replace a socket that somebody left behind.
        if (!server) rmSync(socket); // it is there, or this fails
        testpmd = await startTestpmd();
        await back;
      }
      await comesBack(1000);
    } finally {
      await flow.stop();
      await testpmd.kill();
    }
    expect([...ends]).toEqual(['code 137']); // SIGKILL
    expect(port.reconnects).toBe(rounds);
    expect([...flow.seen.values()].every((times) => times === 1)).toBe(true);
    expect(heldBuffers(port)).toBe(port.pool.count);
  }, 120_000);
});
