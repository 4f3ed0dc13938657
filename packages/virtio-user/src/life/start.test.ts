import { VIRTIO_NET_F_MQ } from '@vio/net';
import { pathLogLine } from '@vio/net/internal';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { VHOST_USER_PROTOCOL_F_STATUS, wire } from '@vio/vhost';
import { holdings, holdingsLike, rejectionOf, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { ListeningBackend, allProtocolFeatures } from '../test-support/listening-backend.ts';
import { openVirtioUser } from '../open.ts';

/**
 * What the virtio-user of DPDK 22.11 sent to a backend with MQ, REPLY_ACK and STATUS when a port of one queue pair was
 * started. Recorded.
 */
const dpdkStart = [
  'SET_OWNER',
  'GET_FEATURES',
  'GET_PROTOCOL_FEATURES',
  'SET_PROTOCOL_FEATURES',
  'SET_VRING_CALL 0',
  'SET_VRING_CALL 1',
  'SET_FEATURES',
  'SET_STATUS',
  'GET_STATUS',
  'GET_STATUS',
  'SET_MEM_TABLE',
  'SET_VRING_NUM 0 256',
  'SET_VRING_BASE 0 0',
  'SET_VRING_ADDR 0',
  'SET_VRING_KICK 0',
  'SET_VRING_NUM 1 256',
  'SET_VRING_BASE 1 0',
  'SET_VRING_ADDR 1',
  'SET_VRING_KICK 1',
  'SET_VRING_ENABLE 0 1',
  'SET_VRING_ENABLE 1 1',
  'SET_STATUS',
];

/** And when it was stopped. */
const dpdkStop = ['SET_VRING_ENABLE 0 0', 'SET_VRING_ENABLE 1 0', 'GET_VRING_BASE 0 0', 'GET_VRING_BASE 1 0'];

/** Of the device status DPDK leaves out what virtio asks for before FEATURES_OK and for the reset, and reads twice. */
const withoutStatus = (names: readonly string[]): string[] =>
  names.filter((name) => !name.endsWith('_STATUS'));
/** The status is set three times and read once. */
const startMessages = withoutStatus(dpdkStart).length + 4;
const stopMessages = dpdkStop.length + 1;

describe('the start', () => {
  it('is the one of DPDK, message by message', async () => {
    await using backend = new ListeningBackend();
    await backend.open();
    expect(withoutStatus(backend.asked)).toEqual(withoutStatus(dpdkStart));
  });

  it('does without a status where there is none', async () => {
    await using backend = new ListeningBackend({
      protocolFeatures: allProtocolFeatures & ~VHOST_USER_PROTOCOL_F_STATUS,
    });
    await backend.open();
    expect(backend.asked).toEqual(withoutStatus(dpdkStart));
  });

  it('does without protocol features where there are none, and rings are not enabled by message', async () => {
    await using backend = new ListeningBackend({ protocolFeatures: 0n });
    await backend.open();
    const last = 'SET_VRING_KICK 1';
    await until(() => backend.asked.includes(last));
    expect(backend.asked).toEqual(dpdkStart.filter((name) => !/STATUS|ENABLE|PROTOCOL/.test(name)));
  });

  it('asks how many pairs there are only for more than one', async () => {
    await using backend = new ListeningBackend();
    await backend.open({ queues: 2 });
    expect(backend.asked[4]).toBe('GET_QUEUE_NUM');
  });

  it('walks through the status of virtio: ACKNOWLEDGE and DRIVER, FEATURES_OK, DRIVER_OK', async () => {
    await using backend = new ListeningBackend();
    await backend.open();
    const { seen } = backend.backends[0];
    const around = seen.flatMap(({ name, payload }) =>
      name === 'SET_STATUS' ? [payload] : /SET_FEATURES|GET_STATUS/.test(name) ? [name] : [],
    );
    expect(around).toEqual([3, 'SET_FEATURES', 11, 'GET_STATUS', 15]);
  });

  it('shares one memory with both rings in it', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open();
    const table = backend.backends[0].seen.find(({ name }) => name === 'SET_MEM_TABLE');
    expect(table).toMatchObject({
      fds: 1,
      payload: [{ guestAddress: 0, userAddress: 0, mmapOffset: 0, size: port.region.size }],
    });
  });

  it('sends an eventfd for the kick and the call of every ring', async () => {
    await using backend = new ListeningBackend();
    await backend.open();
    const events = backend.backends[0].seen.filter(({ name }) => /KICK|CALL/.test(name));
    expect(events.map(({ fds }) => fds)).toEqual([1, 1, 1, 1]);
  });

  it('begins packed rings with both wrap counters at 1', async () => {
    await using backend = new ListeningBackend({ features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED });
    await backend.open({ packed_vq: true });
    expect(backend.asked.filter((name) => name.startsWith('SET_VRING_BASE'))).toEqual([
      'SET_VRING_BASE 0 2147516416',
      'SET_VRING_BASE 1 2147516416',
    ]);
  });
});

describe('a backend that cannot do what the devargs say', () => {
  it.each([
    ['packed rings', { packed_vq: true }, VIRTIO_F_VERSION_1, 1, 'VIO_FEATURE_MISSING'],
    ['several pairs', { queues: 2 }, VIRTIO_F_VERSION_1, 8, 'VIO_FEATURE_MISSING'],
    ['so many pairs', { queues: 9 }, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MQ, 8, 'VIO_QUEUE_COUNT'],
  ])('has no %s', async (_, devargs, features, queuePairs, code) => {
    await using backend = new ListeningBackend({ features, queuePairs });
    const before = holdings();
    const error = await rejectionOf(openVirtioUser({ path: backend.path, ...devargs }));
    for (const one of backend.backends) one.close();
    expect(error.code).toBe(code);
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('takes back FEATURES_OK', async () => {
    await using backend = new ListeningBackend();
    const opening = rejectionOf(openVirtioUser({ path: backend.path }));
    await until(() => backend.backends.length > 0);
    backend.backends[0].answer(wire.frontendRequests.GET_STATUS, () => 3);
    expect(await opening).toMatchObject({ code: 'VIO_FEATURES_REFUSED' });
  });
});

describe('close', () => {
  it('stops the device as DPDK does', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open();
    await port.close();
    expect(backend.asked.slice(startMessages)).toEqual([...dpdkStop, 'SET_STATUS']);
  });

  it('stops rings that cannot be disabled', async () => {
    await using backend = new ListeningBackend({ protocolFeatures: 0n });
    const port = await backend.open();
    await port.close();
    expect(backend.asked.slice(-2)).toEqual(['GET_VRING_BASE 0 0', 'GET_VRING_BASE 1 0']);
  });

  it('gives everything back', async () => {
    await using backend = new ListeningBackend();
    const before = holdings();
    const port = await backend.open({ queues: 2 });
    await port.close();
    for (const one of backend.backends) one.close();
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('gives everything back of a port with detached queue pairs', async () => {
    await using backend = new ListeningBackend();
    const before = holdings();
    const port = await backend.open({ queues: 2 }, { detached: true });
    await port.close();
    for (const one of backend.backends) one.close();
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('is the end of `await using`', async () => {
    await using backend = new ListeningBackend();
    {
      await using port = await openVirtioUser({ path: backend.path });
      expect(port.link.up).toBe(true);
    }
    expect(backend.asked.at(-1)).toBe('SET_STATUS');
  });

  it('stops once, however often it is called', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open();
    await Promise.all([port.close(), port.close()]);
    await port.close();
    expect(backend.asked.length).toBe(startMessages + stopMessages);
  });

  it.each([...dpdkStop, 'SET_STATUS'].map((name, i) => ({ name, at: startMessages + i })))(
    'gives everything back though the backend closes at $name',
    async ({ at }) => {
      await using backend = new ListeningBackend({ misbehave: { at, how: 'close' } });
      const before = holdings();
      const port = await backend.open();
      await port.close();
      for (const one of backend.backends) one.close();
      expect(await holdingsLike(before)).toEqual(before);
    },
  );

  it('gives everything back though the backend is silent', async () => {
    await using backend = new ListeningBackend({ misbehave: { at: startMessages, how: 'silent' } });
    const before = holdings();
    const port = await backend.open();
    await port.close();
    for (const one of backend.backends) one.close();
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('after the backend has left gives everything back', async () => {
    await using backend = new ListeningBackend();
    const before = holdings();
    const port = await backend.open();
    backend.backends[0].close();
    await until(() => !port.link.up);
    await port.close();
    expect(await holdingsLike(before)).toEqual(before);
  });
});

describe('the link', () => {
  it('goes down with the backend, and says why', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open();
    backend.backends[0].close();
    await until(() => !port.link.up);
    expect(port.link.reason?.code).toBe('VIO_VHOST_DISCONNECTED');
  });

  it('goes down with the port, for no reason but that', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open();
    await port.close();
    expect(port.link).toEqual({ up: false });
  });
});

describe('the port', () => {
  it('has the address of the devargs', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open({ mac: '02:00:00:00:00:AB' });
    expect(port.mac).toBe('02:00:00:00:00:ab');
  });

  it('has a local unicast address of its own without', async () => {
    await using backend = new ListeningBackend();
    const one = await backend.open();
    const two = await backend.open();
    expect([one.mac, two.mac]).toEqual([
      expect.stringMatching(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/),
      expect.not.stringMatching(one.mac),
    ]);
  });

  it('reports the speed of the devargs', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open({ speed: 25000 });
    expect(port.speed).toBe(25000);
  });

  it('logs the elected paths', async () => {
    await using backend = new ListeningBackend();
    const lines: string[] = [];
    const port = await backend.open({}, { log: (line) => lines.push(line), portNumber: 7 });
    expect(lines.slice(0, 2)).toEqual([pathLogLine(port.paths.rx, 7), pathLogLine(port.paths.tx, 7)]);
  });
});
