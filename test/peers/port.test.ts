// Our virtio-user port against testpmd's vhost backend, which sends every frame back.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PortEndpoint } from '../endpoint.ts';
import { exchange } from '../exchange.ts';
import { frameSizes, goldenRows, negotiated } from '../golden-rows.ts';
import { exchangePlan } from './plan.ts';
import { type ForwardMode, Testpmd, netVhost, withLog } from './testpmd.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-port-'));
const socket = join(directory, 'vhost.sock');
afterAll(() => rmSync(directory, { recursive: true }));

const roles = [
  { role: 'connects to testpmd', server: false },
  { role: 'listens for testpmd', server: true },
];

describe.each(goldenRows)('$name', (row) => {
  describe.each(roles)('a port that $role', ({ server }) => {
    describe.each([1, 4])('with %i queue pairs', (queues) => {
      let testpmd: Testpmd;
      let port: VirtioUserPort;

      beforeAll(async () => {
        const devargs = `net_virtio_user0,path=${socket},queues=${queues},${row.devargs}`;
        // Whoever connects first waits for the other.
        const opening = server ? openVirtioUser(`${devargs},server=1`) : null;
        opening?.catch(() => {}); // seen below, after testpmd's own troubles
        testpmd = await Testpmd.start({ vdevs: [netVhost(socket, queues, { client: server })], queues });
        port = await withLog(testpmd, () => opening ?? openVirtioUser(devargs));
      });
      afterAll(async () => {
        await port?.close();
        await testpmd?.quit();
      });

      it('negotiates what the row asks for', () => {
        const { packed, mergeable, inOrder } = row;
        expect(negotiated(port.features)).toEqual({ packed, mergeable, inOrder });
      });

      describe.each<ForwardMode>(['io', 'macswap'])('%s', (mode) => {
        it.each(frameSizes(row))('brings every frame of %i bytes back unharmed', async (length) => {
          await testpmd.forward(mode);
          const plan = exchangePlan(length);
          await withLog(testpmd, () =>
            exchange(new PortEndpoint(port), { ...plan, queues, length, swapped: mode === 'macswap' }),
          );
          const { rxPackets, txPackets } = await testpmd.stats();
          expect({ rxPackets, txPackets }).toEqual({
            rxPackets: queues * plan.count,
            txPackets: queues * plan.count,
          });
        });
      });
    });
  });
});
