// Our virtio-user ports against testpmd's vhost backend, which sends every frame back: DPDK's loopback suites. One testpmd
// has a port for every golden row with 1, 4 and 8 queue pairs; what it does, it does to all of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PortEndpoint } from '../support/endpoint.ts';
import { exchange } from '../support/exchange.ts';
import { frameSizes, goldenRows, negotiated } from '../support/golden-rows.ts';
import { isBack } from '../support/traffic.ts';
import { type Column, columns, exchangePlan } from './plan.ts';
import { type ForwardMode, Testpmd, netVhost, withLog } from './testpmd.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-port-'));
afterAll(() => rmSync(directory, { recursive: true }));

const roles = [
  { role: 'connect to testpmd', server: false },
  { role: 'listen for testpmd', server: true },
];
const matrix = columns(goldenRows, 1, 4, 8);

describe.each(roles)('ports that $role', ({ server }) => {
  let testpmd: Testpmd;
  let ports: VirtioUserPort[];
  const socket = ({ port }: Column): string =>
    join(directory, `${server ? 'server' : 'client'}-${port}.sock`);

  const startTestpmd = (): Promise<Testpmd> =>
    Testpmd.start({
      vdevs: matrix.map((column) => netVhost(socket(column), 8, { client: server, port: column.port })),
      queues: 8,
      memory: 384,
      extra: ['--port-topology=loop'],
    });
  const open = (column: Column): Promise<VirtioUserPort> =>
    openVirtioUser(
      `net_virtio_user0,path=${socket(column)},queues=${column.queues},server=${Number(server)},${column.row.devargs}`,
      { timeout: 30_000, reconnect: { minDelay: 20, maxDelay: 200 } },
    );
  /** Sends frames through every column that takes them, and gets every one back unharmed. @returns how many columns */
  async function exchangeAll(mode: ForwardMode, length = 64): Promise<number> {
    const able = matrix.filter(({ row }) => frameSizes(row).includes(length));
    for (const { name, port, queues } of able) {
      const plan = exchangePlan(length, 8);
      const options = { ...plan, queues, length, swapped: mode === 'macswap' };
      await withLog(testpmd, () => exchange(new PortEndpoint(ports[port]), options), name);
    }
    return able.length;
  }

  beforeAll(async () => {
    // Whoever listens is there first.
    const opening = server ? matrix.map(open) : [];
    for (const one of opening) one.catch(() => {}); // seen below, after testpmd's own troubles
    testpmd = await startTestpmd();
    ports = await withLog(testpmd, () => Promise.all(server ? opening : matrix.map(open)));
    await testpmd.forward('io');
  });
  afterAll(async () => {
    await Promise.all(ports?.map((port) => port.close()) ?? []);
    await testpmd?.quit();
  });

  describe.each(matrix)('$name', (column) => {
    it('negotiates what the row asks for', () => {
      const { packed, mergeable, inOrder } = column.row;
      expect(negotiated(ports[column.port].features)).toEqual({ packed, mergeable, inOrder });
    });

    it('elects the paths of the row', () => {
      const { row, port } = column;
      const { rx, tx } = ports[port].paths;
      expect([rx, tx].map(({ path }) => path.includes('vectorized'))).toEqual([
        row.vectorized,
        row.vectorized && row.packed,
      ]);
    });

    it.each(frameSizes(column.row))('brings every frame of %i bytes back unharmed', async (length) => {
      const { queues, port } = column;
      const before = await testpmd.stats(port);
      const plan = exchangePlan(length, queues);
      await withLog(testpmd, () => exchange(new PortEndpoint(ports[port]), { ...plan, queues, length }));
      const after = await testpmd.stats(port);
      const moved = [after.rxPackets - before.rxPackets, after.txPackets - before.txPackets];
      expect(moved).toEqual([queues * plan.count, queues * plan.count]);
    });
  });

  it.each([64, 1518, 9000])(
    'carry frames of %i bytes, addresses exchanged, after testpmd was stopped and started',
    async (length) => {
      await testpmd.forward('macswap');
      expect(await exchangeAll('macswap', length)).toBeGreaterThan(0);
    },
  );

  it('carry frames after all ports of testpmd were restarted', async () => {
    await testpmd.run('stop');
    await testpmd.run('port stop all');
    await testpmd.run('port start all');
    await testpmd.forward('io');
    expect(await exchangeAll('io')).toBe(matrix.length);
  });

  it('carry frames after they were closed and opened again', async () => {
    await Promise.all(ports.map((port) => port.close()));
    ports = await withLog(testpmd, () => Promise.all(matrix.map(open)));
    expect(await exchangeAll('io')).toBe(matrix.length);
  });

  it('carry frames after testpmd was killed and another one came', async () => {
    const back = ports.map(isBack);
    await testpmd.kill();
    // DPDK does not replace a socket that somebody left behind.
    if (!server) for (const column of matrix) rmSync(socket(column), { force: true });
    testpmd = await startTestpmd();
    await testpmd.forward('io');
    await withLog(testpmd, () => Promise.all(back));
    expect(await exchangeAll('io')).toBe(matrix.length);
  });
});
