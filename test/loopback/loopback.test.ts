// Our port against our backend, in one process and in two.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VhostDriver } from '@vio/vhost';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeviceEndpoint, PortEndpoint } from '../support/endpoint.ts';
import { echo, exchange } from '../support/exchange.ts';
import { frameSizes, goldenRows, negotiated } from '../support/golden-rows.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-loopback-'));
const socket = join(directory, 'vhost.sock');
afterAll(() => rmSync(directory, { recursive: true }));

const backendScript = new URL('../dist/loopback/echo-backend.js', import.meta.url);

interface Running {
  stop(): Promise<void>;
}

async function backendHere(queues: number, client: boolean): Promise<Running> {
  const driver = VhostDriver.register(socket, { client });
  driver.setQueueNum(queues);
  let echoing: { stop(): void } | undefined;
  driver.callbacks({
    newDevice: (device) => {
      echoing = echo(new DeviceEndpoint(device), queues);
    },
    destroyDevice: () => echoing?.stop(),
  });
  await driver.start();
  return { stop: () => driver.close() };
}

async function backendElsewhere(queues: number, client: boolean): Promise<Running> {
  const child: ChildProcess = fork(backendScript, [socket, String(queues), client ? 'client' : 'server']);
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the backend process ended with ${String(code)}`);
    }),
  ]);
  return {
    stop: async () => {
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
    },
  };
}

const places = [
  { place: 'in one process', start: backendHere },
  { place: 'in two processes', start: backendElsewhere },
];
const roles = [
  { role: 'connecting', server: false },
  { role: 'listening', server: true },
];

describe.each(goldenRows)('$name', (row) => {
  describe.each(places)('$place', ({ start }) => {
    describe.each(roles)('the port $role', ({ server }) => {
      describe.each([1, 4])('%i queue pairs', (queues) => {
        let backend: Running;
        let port: VirtioUserPort;

        beforeAll(async () => {
          const devargs = `net_virtio_user0,path=${socket},queues=${queues},${row.devargs}`;
          const opening = server ? openVirtioUser(`${devargs},server=1`) : undefined;
          opening?.catch(() => {}); // seen below, after the backend's own troubles
          backend = await start(queues, server);
          port = await (opening ?? openVirtioUser(devargs));
        });
        afterAll(async () => {
          await port?.close();
          await backend?.stop();
        });

        it('negotiates what the row asks for', () => {
          const { packed, mergeable, inOrder } = row;
          expect(negotiated(port.features)).toEqual({ packed, mergeable, inOrder });
        });

        it.each(frameSizes(row))('brings every frame of %i bytes back unharmed', async (length) => {
          const plan = length > 2048 ? { count: 300, window: 32 } : { count: 1000, window: 200 };
          const back = await exchange(new PortEndpoint(port), { ...plan, queues, length });
          expect(back).toBe(queues * plan.count);
        });
      });
    });
  });
});
