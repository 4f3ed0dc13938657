// Ports of ours where huge pages are free, on testpmd's vhost backend, which maps them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MemoryOptions } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PortEndpoint } from '../support/endpoint.ts';
import { exchange } from '../support/exchange.ts';
import { exchangePlan } from './plan.ts';
import { preflight } from './preflight.ts';
import { Testpmd, netVhost, withLog } from './testpmd.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-hugepages-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** KiB of the pages that ports of this process have. */
function portPages(): number[] {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  return mappings
    .filter((mapping) => mapping.includes('memfd:vio-port'))
    .map((mapping) => Number(/^KernelPageSize: +(\d+)/m.exec(mapping)?.[1]));
}

describe('a port where huge pages are free', () => {
  let testpmd: Testpmd;
  const socket = join(directory, 'vhost.sock');

  beforeAll(async () => {
    testpmd = await Testpmd.start({ vdevs: [netVhost(socket, 1)], extra: ['--port-topology=loop'] });
    await testpmd.forward('io');
    preflight(16); // besides those of testpmd
  });
  afterAll(() => testpmd?.quit());

  it.each<[string, MemoryOptions, number, RegExp[]]>([
    ['takes them', {}, 2048, [/has 4 MiB of memory, in pages of 2M$/]],
    ['takes them when it is asked to', { hugepages: '2M', buffers: 300 }, 2048, [/2 MiB .* of 2M$/]],
    ['leaves them to others when it would not fill one', { buffers: 300 }, 4, []],
    ['leaves them to others when it is told to', { hugepages: 'none' }, 4, []],
  ])('%s: %j', async (_, memory, pages, lines) => {
    const log: string[] = [];
    const options = { memory, log: (line: string) => log.push(line) };
    const port = await openVirtioUser(`net_virtio_user0,path=${socket}`, options);
    expect(portPages()).toEqual([pages]);
    expect(log.filter((line) => line.includes('memory'))).toEqual(
      lines.map((line) => expect.stringMatching(line)),
    );
    const plan = { ...exchangePlan(64), queues: 1, length: 64 };
    expect(await withLog(testpmd, () => exchange(new PortEndpoint(port), plan))).toBe(plan.count);
    await port.close();
    expect(portPages()).toEqual([]);
  });
});
