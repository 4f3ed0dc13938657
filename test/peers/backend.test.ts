// Our vhost backend against testpmd's virtio-user frontend, which sends every frame back.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { QueueFault } from '@vio/rings';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeviceEndpoint } from '../endpoint.ts';
import { exchange } from '../exchange.ts';
import { frameSizes, goldenRows, negotiated } from '../golden-rows.ts';
import { exchangePlan } from './plan.ts';
import { type ForwardMode, Testpmd, jumboArguments, netVirtioUser, withLog } from './testpmd.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-backend-'));
const socket = join(directory, 'vhost.sock');
afterAll(() => rmSync(directory, { recursive: true }));

const roles = [
  { role: 'listens for testpmd', client: false },
  { role: 'connects to testpmd', client: true },
];

describe.each(goldenRows)('$name', (row) => {
  describe.each(roles)('a backend that $role', ({ client }) => {
    describe.each([1, 4])('with %i queue pairs', (queues) => {
      let driver: VhostDriver;
      let testpmd: Testpmd;
      let device: VhostDevice;
      const faults: QueueFault[] = [];

      beforeAll(async () => {
        driver = VhostDriver.register(socket, { client });
        driver.setQueueNum(queues);
        const appeared = new Promise<VhostDevice>((newDevice) =>
          driver.callbacks({ newDevice, broken: (_device, _queue, fault) => faults.push(fault) }),
        );
        // A client comes back until the socket is there.
        await driver.start();
        testpmd = await Testpmd.start({
          vdevs: [netVirtioUser(socket, queues, row.devargs, { server: client })],
          queues,
          extra: row.mergeable ? jumboArguments : [],
          ...(row.vectorized ? { simdBits: 512 } : {}),
        });
        device = await withLog(testpmd, () => appeared);
      });
      afterAll(async () => {
        await testpmd?.quit();
        await driver?.close();
      });

      it('negotiates what the row asks for', () => {
        const { packed, mergeable, inOrder } = row;
        expect(negotiated(device.features)).toEqual({ packed, mergeable, inOrder });
      });

      describe.each<ForwardMode>(['io', 'macswap'])('%s', (mode) => {
        it.each(frameSizes(row))('brings every frame of %i bytes back unharmed', async (length) => {
          await testpmd.forward(mode);
          const plan = exchangePlan(length);
          await withLog(testpmd, () =>
            exchange(new DeviceEndpoint(device, faults), {
              ...plan,
              queues,
              length,
              swapped: mode === 'macswap',
            }),
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
