import { existsSync, statSync } from 'node:fs';
import { UnixListener, UnixStream } from '@vio/native';
import { VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { coded, holdings, holdingsLike, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { ScriptedFrontend } from '../../testing/index.ts';
import {
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_MQ,
  frontendRequests as requests,
} from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest } from '../../test-support/guest.ts';
import { controlFeatures } from '../type/device-features.ts';
import { VhostDriver } from './vhost-driver.ts';

describe('callbacks', () => {
  it('come in the order of DPDK, from the connection to its end', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest();
    const frontend = await backend.connect();
    await guest.start(frontend);
    frontend.close();
    await until(() => backend.ended.length > 0);
    expect(backend.events).toEqual([
      'newConnection 0',
      'featuresChanged 0 140000000',
      'vringStateChanged 0 0 on',
      'vringStateChanged 0 1 on',
      'newDevice 0',
      'destroyDevice 0',
      'destroyConnection 0 VIO_VHOST_DISCONNECTED',
    ]);
  });

  it('tell of a stop with GET_VRING_BASE, and of the next start', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest();
    const frontend = await backend.connect();
    await guest.start(frontend);
    backend.events.length = 0;
    for (const index of [0, 1]) await frontend.ask(requests.GET_VRING_BASE, { index, value: 0 });
    for (const step of [...guest.ringSteps(0), ...guest.ringSteps(1)]) await step.run(frontend);
    await handled(frontend);
    expect(backend.events).toEqual([
      'destroyDevice 0',
      'vringStateChanged 0 0 off',
      'vringStateChanged 0 1 off',
      'vringStateChanged 0 0 on',
      'vringStateChanged 0 1 on',
      'newDevice 0',
    ]);
  });

  it('tell of rings that are enabled later, while the device runs', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest({ rings: 4 });
    const frontend = await backend.connect();
    for (const step of guest.steps()) if (!/ENABLE [23]/.test(step.name)) await step.run(frontend);
    await frontend.send(requests.SET_VRING_ENABLE, { index: 3, value: 1 });
    await frontend.send(requests.SET_VRING_ENABLE, { index: 0, value: 0 });
    await handled(frontend);
    expect(backend.events.slice(-3)).toEqual([
      'newDevice 0',
      'vringStateChanged 0 3 on',
      'vringStateChanged 0 0 off',
    ]);
  });

  it.each([
    ['RESET_OWNER', (f: ScriptedFrontend) => f.send(requests.RESET_OWNER, undefined)],
    ['a status of 0', (f: ScriptedFrontend) => f.send(requests.SET_STATUS, 0)],
  ])('tell of the end of a device by %s', async (_, reset) => {
    await using backend = await TestBackend.start();
    using guest = new Guest();
    const frontend = await backend.connect();
    await guest.start(frontend);
    await reset(frontend);
    await handled(frontend);
    expect(backend.events.at(-1)).toBe('destroyDevice 0');
  });

  it('may close the driver', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest();
    let closing: Promise<void> | undefined;
    backend.driver.callbacks({
      newDevice: () => (closing = backend.driver.close()),
      destroyConnection: (_, reason) => backend.ended.push(reason),
    });
    const frontend = await backend.connect();
    await guest.start(frontend).catch(() => {});
    await closing;
    expect(backend.ended.map(({ code }) => code)).toEqual(['VIO_VHOST_CLOSED']);
  });

  it('that throw at a connection end it with the reason', async () => {
    await using backend = await TestBackend.start();
    backend.driver.callbacks({
      newConnection: () => {
        throw new Error('no');
      },
      destroyConnection: (_, reason) => backend.ended.push(reason),
    });
    using stream = await UnixStream.connect(backend.path);
    await stream.readable({ timeout: 5000 });
    expect(backend.ended[0]).toMatchObject({ code: 'VIO_VHOST_INTERNAL', cause: { message: 'no' } });
  });
});

describe('what there is not', () => {
  /** As JavaScript lets one write. */
  const wrong = (value: object): object => value;

  it.each<[string, () => unknown, string]>([
    [
      'a flag',
      () => VhostDriver.register('/tmp/vio-none.sock', wrong({ clinet: true })),
      'VhostDriver.register has no option "clinet"',
    ],
    [
      'a callback',
      () => VhostDriver.register('/tmp/vio-none.sock').callbacks(wrong({ newdevice: () => {} })),
      'VhostDriver.callbacks has no option "newdevice"',
    ],
    [
      'a field of the configuration space',
      () => VhostDriver.register('/tmp/vio-none.sock').setNetConfig(wrong({ linkup: true })),
      'VhostDriver.setNetConfig has no option "linkup"',
    ],
  ])('(%s) is an error that names it', (_, call, message) => {
    expect(call).toThrow(expect.objectContaining({ code: 'VIO_OPTION_UNKNOWN', message }));
  });
});

describe('several frontends', () => {
  it('have a device each', async () => {
    await using backend = await TestBackend.start();
    using one = new Guest();
    using two = new Guest();
    await one.start(await backend.connect());
    await two.start(await backend.connect());
    expect(new Set(backend.devices.map(({ vid }) => vid)).size).toBe(2);
  });

  it('are all told of the end', async () => {
    await using backend = await TestBackend.start();
    const frontends = [await backend.connect(), await backend.connect()];
    await backend.driver.close();
    const ends = await Promise.allSettled(frontends.map((frontend) => frontend.next()));
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('as a server', () => {
  it('gives its socket the mode that was asked for', async () => {
    await using backend = await TestBackend.start({ socket: { mode: 0o620 } });
    expect(statSync(backend.path).mode & 0o777).toBe(0o620);
  });

  it('listens when start resolves, and removes its socket', async () => {
    await using backend = await TestBackend.start();
    const there = existsSync(backend.path);
    await backend.driver.close();
    expect([there, existsSync(backend.path)]).toEqual([true, false]);
  });

  it('does not take the socket of another one', async () => {
    await using backend = await TestBackend.start();
    await expect(VhostDriver.register(backend.path).start()).rejects.toThrow(coded('VIO_SOCKET_IN_USE'));
  });

  it('holds nothing once close resolves', async () => {
    const before = holdings();
    const backend = await TestBackend.start();
    using guest = new Guest();
    await guest.start(await backend.connect());
    await backend[Symbol.asyncDispose]();
    guest[Symbol.dispose]();
    expect(await holdingsLike(before)).toEqual(before);
  });

  it.each(['start', 'close'] as const)('does not start after %s', async (what) => {
    await using backend = new TestBackend();
    await backend.driver[what]();
    await expect(backend.driver.start()).rejects.toThrow(coded('VIO_VHOST_STARTED'));
  });
});

describe('as a client', () => {
  it('connects again when the frontend has left', async () => {
    await using backend = new TestBackend({ client: true });
    using listener = UnixListener.listen(backend.path);
    await backend.driver.start();
    (await listener.accept({ timeout: 5000 })).close();
    using again = new ScriptedFrontend(await listener.accept({ timeout: 5000 }));
    await handled(again);
    expect(backend.events).toEqual([
      'newConnection 0',
      'destroyConnection 0 VIO_VHOST_DISCONNECTED',
      'newConnection 1',
    ]);
  });

  it('waits for a frontend that comes later', async () => {
    await using backend = new TestBackend({ client: true });
    await backend.driver.start();
    using listener = UnixListener.listen(backend.path);
    using frontend = new ScriptedFrontend(await listener.accept({ timeout: 5000 }));
    await handled(frontend);
    expect(backend.events).toEqual(['newConnection 0']);
  });

  it('does not come back after close', async () => {
    await using backend = new TestBackend({ client: true });
    using listener = UnixListener.listen(backend.path);
    await backend.driver.start();
    using stream = await listener.accept({ timeout: 5000 });
    await backend.driver.close();
    await stream.readable({ timeout: 5000 });
    await expect(listener.accept({ timeout: 1100 })).rejects.toThrow(coded('VIO_TIMEOUT'));
  });

  it('resolves at once with asyncConnect, and connects when there is somebody, once', async () => {
    await using backend = new TestBackend({ client: true, noReconnect: true, asyncConnect: true, retry: 1 });
    await backend.driver.start();
    using listener = UnixListener.listen(backend.path);
    (await listener.accept({ timeout: 5000 })).close();
    await until(() => backend.ended.length === 1);
    await expect(listener.accept({ timeout: 50 })).rejects.toMatchObject({ code: 'VIO_TIMEOUT' });
  });

  it.each([
    ['noReconnect without client', { noReconnect: true }, 'VIO_OPTION_CONFLICT'],
    ['asyncConnect without client', { asyncConnect: true }, 'VIO_OPTION_CONFLICT'],
    ['no connections', { maxConnections: 0 }, 'VIO_OPTION_VALUE'],
    ['a handshake of no time', { handshakeTimeout: Number.NaN }, 'VIO_OPTION_VALUE'],
    ['large buffers of no pool', { externalBuffers: 64 as never }, 'VIO_OPTION_VALUE'],
    ['a negative pause', { client: true, retry: -1 }, 'VIO_OPTION_VALUE'],
  ])('%s is refused', (_, flags, code) => {
    expect(() => VhostDriver.register('/tmp/vio-never.sock', flags)).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it('tries once with noReconnect', async () => {
    await using backend = new TestBackend({ client: true, noReconnect: true });
    await expect(backend.driver.start()).rejects.toThrow(coded('VIO_SOCKET_MISSING'));
  });

  it('stays away after the first connection with noReconnect', async () => {
    await using backend = new TestBackend({ client: true, noReconnect: true });
    using listener = UnixListener.listen(backend.path);
    await backend.driver.start();
    (await listener.accept({ timeout: 5000 })).close();
    await until(() => backend.ended.length > 0);
    await expect(listener.accept({ timeout: 1100 })).rejects.toThrow(coded('VIO_TIMEOUT'));
  });
});

describe('what is offered', () => {
  const offered = async (backend: TestBackend): Promise<bigint> => {
    const frontend = await backend.connect();
    return (await frontend.ask(requests.GET_FEATURES, undefined)) ?? 0n;
  };
  const bit30 = 1n << 30n;

  it('is what was set, and bit 30', async () => {
    await using backend = await TestBackend.start();
    backend.driver.setFeatures(VIRTIO_F_VERSION_1);
    expect(await offered(backend)).toBe(VIRTIO_F_VERSION_1 | bit30);
  });

  it('is less by what was disabled, and more by what was enabled again', async () => {
    await using backend = await TestBackend.start();
    const all = backend.driver.features;
    backend.driver.disableFeatures(VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_VERSION_1);
    backend.driver.enableFeatures(VIRTIO_F_VERSION_1);
    expect(await offered(backend)).toBe((all & ~VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_NET_F_CTRL_VQ | bit30);
  });

  it.each([
    ['two queue pairs, with the control queue that MQ needs', 2, true, true],
    ['as many pairs as have a number for a control queue behind them', 127, true, true],
    ['one more, without it: QEMU and DPDK take that', 128, true, false],
    ['one queue pair, which is no reason for either', 1, false, false],
  ])('is %s', async (_, pairs, several, control) => {
    await using backend = await TestBackend.start();
    backend.driver.setQueueNum(pairs);
    const mask = await offered(backend);
    expect([(mask & VIRTIO_NET_F_MQ) !== 0n, (mask & VIRTIO_NET_F_CTRL_VQ) !== 0n]).toEqual([
      several,
      control,
    ]);
  });

  it('is a control queue for one pair as well, where the application wants one', async () => {
    await using backend = await TestBackend.start();
    backend.driver.setQueueNum(1);
    backend.driver.enableFeatures(controlFeatures);
    expect((await offered(backend)) & controlFeatures).toBe(controlFeatures);
  });

  it('does not change for those who are connected', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    const before = await frontend.ask(requests.GET_FEATURES, undefined);
    backend.driver.disableFeatures(VIRTIO_NET_F_MRG_RXBUF);
    expect(await frontend.ask(requests.GET_FEATURES, undefined)).toBe(before);
  });

  it.each(['setFeatures', 'enableFeatures'] as const)('is not what is not there: %s', (set) => {
    const driver = VhostDriver.register('/tmp/never');
    expect(() => driver[set](1n << 63n)).toThrow(coded('VIO_VHOST_UNSUPPORTED_FEATURES'));
  });

  it.each([
    ['127 queue pairs to who asks for their number', undefined, 127],
    ['31 to who does not: user-mode Linux can have no more', 0n, 31],
  ])('is %s', async (_, protocolFeatures, pairs) => {
    await using backend = await TestBackend.start();
    const offers = VHOST_USER_PROTOCOL_F_CONFIG | (protocolFeatures ?? VHOST_USER_PROTOCOL_F_MQ);
    const frontend = await backend.connect(offers);
    const part = await frontend.ask(requests.GET_CONFIG, { offset: 8, flags: 0, data: new Uint8Array(2) });
    expect(part?.data[0]).toBe(pairs);
  });

  it('is as many queue pairs as were set', async () => {
    await using backend = await TestBackend.start();
    backend.driver.setQueueNum(3);
    const frontend = await backend.connect();
    expect(await frontend.ask(requests.GET_QUEUE_NUM, undefined)).toBe(3);
  });

  it.each([0, 129, 1.5, Number.NaN])('is not %d queue pairs', (pairs) => {
    const driver = VhostDriver.register('/tmp/never');
    expect(() => driver.setQueueNum(pairs)).toThrow(coded('VIO_QUEUE_COUNT'));
  });

  it('are 127 at most with a control queue, which needs a number, too', async () => {
    await using backend = await TestBackend.start();
    backend.driver.enableFeatures(controlFeatures);
    const frontend = await backend.connect();
    expect(await frontend.ask(requests.GET_QUEUE_NUM, undefined)).toBe(127);
    const driver = VhostDriver.register('/tmp/never');
    driver.enableFeatures(controlFeatures);
    driver.setQueueNum(128);
    await expect(driver.start()).rejects.toMatchObject({
      code: 'VIO_QUEUE_COUNT',
      remedy: 'offer 1 to 127, because of the control queue',
    });
  });
});
