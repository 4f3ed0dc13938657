// Queue pairs and the control queue against testpmd: its virtio-user emulates one, as ours does for its vhost library.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ, VIRTIO_NET_F_STATUS } from '@vio/net';
import type { QueueFault } from '@vio/rings';
import { type VhostDevice, VhostDriver, controlFeatures } from '@vio/vhost';
import { openVirtioUser } from '@vio/virtio-user';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeviceEndpoint, PortEndpoint } from '../support/endpoint.ts';
import { exchange } from '../support/exchange.ts';
import { exchangePlan } from './plan.ts';
import { Testpmd, netVhost, netVirtioUser, withLog } from './testpmd.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-control-'));
afterAll(() => rmSync(directory, { recursive: true }));

const queues = 4;
const length = 60;

describe("testpmd's virtio-user with cq=1 on a backend that has a control queue", () => {
  const socket = join(directory, 'backend.sock');
  const rings = new Set<number>();
  const told: string[] = [];
  const faults: QueueFault[] = [];
  let driver: VhostDriver;
  let testpmd: Testpmd;
  let device: VhostDevice;

  beforeAll(async () => {
    driver = VhostDriver.register(socket);
    driver.enableFeatures(controlFeatures);
    driver.setQueueNum(queues);
    const appeared = new Promise<VhostDevice>((newDevice) =>
      driver.callbacks({
        newDevice,
        vringStateChanged: (_, ring, on) => void (on ? rings.add(ring) : rings.delete(ring)),
        command: (_, { kind }) => void told.push(kind),
        broken: (_device, _queue, fault) => faults.push(fault),
      }),
    );
    await driver.start();
    testpmd = await Testpmd.start({ vdevs: [netVirtioUser(socket, queues, 'cq=1')], queues });
    device = await withLog(testpmd, () => appeared);
  });
  afterAll(async () => {
    await testpmd?.quit();
    await driver?.close();
  });

  async function traffic(pairs: number): Promise<void> {
    await testpmd.forward('io');
    await withLog(testpmd, () =>
      exchange(new DeviceEndpoint(device, faults), {
        ...exchangePlan(length, pairs),
        queues: pairs,
        length,
        swapped: false,
      }),
    );
  }

  it('keeps its control queue to itself, and passes on what belongs to it all the same', () => {
    const has = (feature: bigint): boolean => (device.features & feature) !== 0n;
    expect(
      [VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_MQ, VIRTIO_NET_F_STATUS].map(has),
    ).toEqual([false, true, true, false]);
    expect(device.controlQueue).toBeUndefined();
  });

  it('enables its queue pairs by messages, and moves frames on all of them', async () => {
    await expect.poll(() => rings, { timeout: 10_000 }).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7]));
    await traffic(queues);
  });

  it('enables half of them when it is started with half of them', async () => {
    await testpmd.run('stop');
    for (const command of ['port stop 0', 'port config all rxq 2', 'port config all txq 2', 'port start 0'])
      await testpmd.run(command);
    await expect.poll(() => rings, { timeout: 10_000 }).toEqual(new Set([0, 1, 2, 3]));
    await traffic(2);
  });

  it('answers its commands about filters by itself', async () => {
    await testpmd.run('set promisc 0 off');
    await testpmd.run('set allmulti 0 on');
    expect(told).toEqual([]);
  });
});

describe("a port with an emulated control queue on testpmd's vhost backend", () => {
  it('takes its queue pairs away and gives them back, and loses nothing on those in use', async () => {
    const socket = join(directory, 'port.sock');
    const testpmd = await Testpmd.start({ vdevs: [netVhost(socket, queues)], queues });
    try {
      await testpmd.forward('io');
      await withLog(testpmd, async () => {
        await using port = await openVirtioUser(`net_virtio_user0,path=${socket},queues=${queues},cq=1`);
        await port.control.setPromiscuous(true);
        for (const pairs of [1, 4, 2, 4]) {
          await port.control.setQueuePairs(pairs);
          const plan = exchangePlan(length, pairs);
          await exchange(new PortEndpoint(port), { ...plan, queues: pairs, length, swapped: false });
          expect(port.control.queuePairs).toBe(pairs);
        }
      });
    } finally {
      await testpmd.quit();
    }
  });
});
