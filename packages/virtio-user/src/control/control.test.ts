import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ControlCommand, PacketBurst, VIRTIO_NET_F_MQ } from '@vio/net';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver, controlFeatures } from '@vio/vhost';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { ListeningBackend } from '../test-support/listening-backend.ts';
import type { VirtioUserOptions } from '../config/config.ts';
import type { OpenOptions } from '../config/open-options.ts';
import { openVirtioUser } from '../open.ts';
import type { VirtioUserPort } from '../virtio-user-port.ts';

/** A backend of our own that has a control queue, and the port on it. */
class Pair implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'vio-control-'));
  readonly path = join(this.directory, 'vhost.sock');
  readonly told: ControlCommand[] = [];
  readonly rings: string[] = [];
  refuse = false;
  driver = this.#register();
  device!: VhostDevice;
  port!: VirtioUserPort;

  static async open(options: Omit<VirtioUserOptions, 'path'>, more: OpenOptions = {}): Promise<Pair> {
    const pair = new Pair();
    await pair.driver.start();
    pair.port = await openVirtioUser({ path: pair.path, ...options }, more);
    return pair;
  }

  async restartBackend(): Promise<void> {
    await this.driver.close();
    this.driver = this.#register();
    await this.driver.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.port.close();
    await this.driver.close();
    rmSync(this.directory, { recursive: true });
  }

  #register(): VhostDriver {
    const driver = VhostDriver.register(this.path);
    driver.enableFeatures(controlFeatures);
    driver.setQueueNum(8);
    driver.callbacks({
      newConnection: (device) => (this.device = device),
      vringStateChanged: (_, ring, on) => void this.rings.push(`${ring} ${on ? 'on' : 'off'}`),
      command: (_, command) => {
        this.told.push(command);
        return !this.refuse;
      },
    });
    return driver;
  }
}

const formats = [
  ['split', false],
  ['packed', true],
] as const;

describe.each(formats)('a port on a backend with a control queue (%s)', (_, packed) => {
  it('tells it its address, and to use all pairs', async () => {
    await using pair = await Pair.open({ queues: 4, mac: '02:00:00:00:00:07', packed_vq: packed });
    expect(pair.told).toEqual([
      { kind: 'mac-address', mac: '02:00:00:00:00:07' },
      { kind: 'queue-pairs', pairs: 4 },
    ]);
    expect(pair.device.settings).toMatchObject({ queuePairs: 4, mac: '02:00:00:00:00:07' });
  });

  it('of one pair has it behind that', async () => {
    await using pair = await Pair.open({ cq: true, packed_vq: packed });
    await pair.port.control.setPromiscuous(true);
    expect([pair.device.controlQueue, [...pair.device.settings.rxModes]]).toEqual([2, ['promiscuous']]);
  });

  it('has it by the option controlQueue, without cq', async () => {
    await using pair = await Pair.open({ packed_vq: packed }, { controlQueue: 'device' });
    await pair.port.control.setPromiscuous(true);
    expect([pair.device.controlQueue, [...pair.device.settings.rxModes]]).toEqual([2, ['promiscuous']]);
  });

  it.each(['emulated', false] as const)('leaves it alone with controlQueue: %s', async (controlQueue) => {
    await using pair = await Pair.open({ cq: true, packed_vq: packed }, { controlQueue });
    expect(pair.device.controlQueue).toBeUndefined();
  });

  it('tells it everything a port can be told', async () => {
    await using pair = await Pair.open({ queues: 2, packed_vq: packed });
    const { control } = pair.port;
    pair.told.length = 0;
    await control.setPromiscuous(true);
    await control.setAllMulticast(true);
    await control.setRxMode('noBroadcast', true);
    await control.setMacTable(['02:00:00:00:00:01'], ['33:33:00:00:00:01']);
    await control.setMac('02:00:00:00:00:02');
    await control.addVlan(5);
    await control.addVlan(6);
    await control.removeVlan(5);
    await control.setQueuePairs(1);
    expect(pair.told).toHaveLength(9);
    expect(pair.device.settings).toMatchObject({
      rxModes: new Set(['promiscuous', 'allMulticast', 'noBroadcast']),
      unicast: ['02:00:00:00:00:01'],
      multicast: ['33:33:00:00:00:01'],
      mac: '02:00:00:00:00:02',
      vlans: new Set([6]),
      queuePairs: 1,
    });
    expect(pair.port.mac).toBe('02:00:00:00:00:02');
    expect(pair.device.config.mac).toBe('02:00:00:00:00:02');
  });

  it('is told what the application of the backend refuses', async () => {
    await using pair = await Pair.open({ queues: 2, packed_vq: packed });
    pair.refuse = true;
    await expect(pair.port.control.setQueuePairs(1)).rejects.toMatchObject({ code: 'VIO_CONTROL_REFUSED' });
    expect([pair.port.control.queuePairs, pair.device.settings.queuePairs]).toEqual([2, 2]);
  });
});

describe('queue pairs', () => {
  it('go on and off at the backend by commands, one to eight to one', async () => {
    await using pair = await Pair.open({ queues: 8 });
    await pair.port.control.setQueuePairs(1);
    await pair.port.control.setQueuePairs(8);
    const later = Array.from({ length: 14 }, (_, i) => i + 2);
    expect(pair.rings).toEqual([
      '0 on',
      '1 on',
      ...later.map((ring) => `${ring} on`),
      ...later.map((ring) => `${ring} off`),
      ...later.map((ring) => `${ring} on`),
    ]);
  });

  it('that are off are neither sent on nor delivered to', async () => {
    await using pair = await Pair.open({ queues: 2 });
    const { port, device } = pair;
    await port.control.setQueuePairs(1);
    const sent = port.burst(4);
    sent.allocate(port.pool, 4, 60);
    expect(port.tx[1].send(sent)).toBe(0);
    expect(port.tx[0].send(sent)).toBe(4);
    const pool = privatePool();
    const taken = new PacketBurst(8);
    expect([device.dequeueBurst(3, pool, taken), device.dequeueBurst(1, pool, taken)]).toEqual([0, 4]);
    expect([device.enqueueBurst(2, taken), device.enqueueBurst(0, taken)]).toEqual([0, 4]);
    await port.control.setQueuePairs(2);
    expect(device.enqueueBurst(2, taken)).toBe(4);
    taken.release();
  });
});

it('gives a backend that came back the commands of before', async () => {
  await using pair = await Pair.open({ queues: 4 }, { reconnect: { minDelay: 5 } });
  const { control } = pair.port;
  await control.setQueuePairs(2);
  await control.setPromiscuous(true);
  const back = new Promise<void>((resolve) => pair.port.once('reconnect', () => resolve()));
  await pair.restartBackend();
  await back;
  expect(pair.device.settings).toMatchObject({
    queuePairs: 2,
    mac: pair.port.mac,
    rxModes: new Set(['promiscuous']),
  });
  await control.setQueuePairs(3);
  expect(pair.device.settings.queuePairs).toBe(3);
});

it('says what is missing when a backend that came back has no control queue', async () => {
  await using pair = await Pair.open({ cq: true }, { reconnect: { minDelay: 5, attempts: 1 } });
  const down = new Promise<string>((resolve) =>
    pair.port.on('link', ({ reason }) => {
      if (reason?.code === 'VIO_RECONNECT_GIVEN_UP') resolve(reason.code);
    }),
  );
  await pair.driver.close();
  pair.driver = VhostDriver.register(pair.path);
  await pair.driver.start();
  expect(await down).toBe('VIO_RECONNECT_GIVEN_UP');
});

it('leaves nothing behind', async () => {
  const before = holdings();
  {
    await using pair = await Pair.open({ queues: 4, cq: true });
    await pair.port.control.setPromiscuous(true);
  }
  expect(await holdingsLike(before)).toEqual(before);
});

it('gives everything back when the backend refuses the start', async () => {
  const before = holdings();
  {
    const pair = new Pair();
    pair.refuse = true;
    await pair.driver.start();
    await expect(openVirtioUser({ path: pair.path, cq: true })).rejects.toMatchObject({
      code: 'VIO_CONTROL_REFUSED',
    });
    await pair.driver.close();
    rmSync(pair.directory, { recursive: true });
  }
  expect(await holdingsLike(before)).toEqual(before);
});

describe('a port on a backend without a control queue', () => {
  it('enables and disables its rings by messages', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open({ queues: 2 });
    const before = backend.asked.length;
    await port.control.setQueuePairs(1);
    await port.control.setQueuePairs(2);
    const enable = (...on: number[]): string[] => on.map((value, i) => `SET_VRING_ENABLE ${i} ${value}`);
    expect(backend.asked.slice(before)).toEqual([...enable(1, 1, 0, 0), ...enable(1, 1, 1, 1)]);
  });

  it('accepts filters, of which the backend hears nothing', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open({ cq: true });
    const before = backend.asked.length;
    await port.control.setPromiscuous(false);
    await port.control.setAllMulticast(true);
    await port.control.setMacTable([], ['33:33:00:00:00:01']);
    await port.control.addVlan(7);
    await port.control.setMac('02:00:00:00:00:09');
    expect([port.mac, backend.asked.length]).toEqual(['02:00:00:00:00:09', before]);
  });

  it('does not tell it of a control queue, even if it offers one as DPDK does', async () => {
    await using backend = new ListeningBackend({
      features: VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MQ | (controlFeatures & ((1n << 19n) - 1n)),
    });
    await backend.open({ queues: 2, cq: true });
    const [{ payload }] = backend.backends[0].seen.filter(({ name }) => name === 'SET_FEATURES');
    expect((payload as bigint) & controlFeatures).toBe(0n);
  });

  it('refuses what nobody can do for it, by name', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open({ cq: true });
    await expect(port.control.setHash({ hashTypes: 1, key: new Uint8Array(40) })).rejects.toMatchObject({
      code: 'VIO_CONTROL_UNSUPPORTED',
      remedy: expect.stringContaining('HASH_REPORT') as string,
    });
  });

  it('refuses commands without cq=1', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open();
    await expect(port.control.setPromiscuous(true)).rejects.toMatchObject({
      code: 'VIO_CONTROL_UNSUPPORTED',
      remedy: expect.stringContaining('cq=1') as string,
    });
  });

  it('goes on with the pairs of before when it came back', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open({ queues: 2 }, { reconnect: { minDelay: 5 } });
    await port.control.setQueuePairs(1);
    const back = new Promise<void>((resolve) => port.once('reconnect', () => resolve()));
    backend.backends[0].close();
    await back;
    await until(() => backend.asked.includes('SET_VRING_ENABLE 3 0'));
    expect(backend.asked.slice(-2)).toEqual(['SET_VRING_ENABLE 2 0', 'SET_VRING_ENABLE 3 0']);
  });
});
