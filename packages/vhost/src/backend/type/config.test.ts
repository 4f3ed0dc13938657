import { UnixStream } from '@vio/native';
import {
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_RSS,
  VIRTIO_NET_F_STATUS,
  type ConfigSpace,
  PacketBurst,
} from '@vio/net';
import {
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_FEATURES_OK,
  STATUS_NEEDS_RESET,
  configSpaceBytes,
  decodeConfigSpace,
} from '@vio/net/internal';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import type { ScriptedFrontend } from '../../testing/index.ts';
import {
  MessageReader,
  VHOST_USER_PROTOCOL_F_CONFIG,
  backendRequests,
  decodeRequest,
  frontendRequests as requests,
} from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest, driverReady } from '../../test-support/guest.ts';
import { packetPool } from '../../test-support/packets.ts';

const mac = '52:54:00:12:34:56';
const all = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU | VIRTIO_NET_F_MQ;

async function read(frontend: ScriptedFrontend, offset = 0, size = configSpaceBytes): Promise<Uint8Array> {
  const part = await frontend.ask(requests.GET_CONFIG, { offset, flags: 0, data: new Uint8Array(size) });
  if (part === undefined) throw new Error('it cannot be read');
  return part.data;
}

async function config(frontend: ScriptedFrontend): Promise<ConfigSpace> {
  return decodeConfigSpace(await read(frontend), all);
}

/** A backend with something in its configuration space. */
async function speaking(): Promise<TestBackend> {
  const backend = new TestBackend();
  backend.driver.setNetConfig({ linkUp: true });
  await backend.driver.start();
  return backend;
}

/** The way back to a frontend, and how many messages came on it. */
async function listen(frontend: ScriptedFrontend) {
  const [mine, theirs] = UnixStream.pair();
  const answer = await frontend.acknowledged(requests.SET_BACKEND_REQ_FD, undefined, { fds: [theirs.fd] });
  theirs.close();
  const reader = new MessageReader(mine);
  return {
    answer,
    stream: mine,
    changes: () => {
      let count = 0;
      for (let message = reader.read(); message !== undefined; message = reader.read(), count++)
        decodeRequest(backendRequests.BACKEND_CONFIG_CHANGE_MSG, message);
      return count;
    },
    [Symbol.dispose]: () => mine.close(),
  };
}

describe('the configuration space of a device', () => {
  it('says what the application said, and how many pairs there are', async () => {
    await using backend = new TestBackend();
    backend.driver.setQueueNum(4);
    backend.driver.setNetConfig({ mac, linkUp: false, mtu: 1450 });
    await backend.driver.start();
    const frontend = await backend.connect();
    expect(await config(frontend)).toEqual({ mac, linkUp: false, announce: false, maxPairs: 4, mtu: 1450 });
  });

  it.each([
    ['MAC', { mac }, VIRTIO_NET_F_MAC],
    ['STATUS', { linkUp: true }, VIRTIO_NET_F_STATUS],
    ['MTU', { mtu: 1450 }, VIRTIO_NET_F_MTU],
    ['nothing', {}, 0n],
  ])('has %s offered for what it says', async (_, said, feature) => {
    await using backend = new TestBackend();
    backend.driver.setNetConfig(said);
    await backend.driver.start();
    const frontend = await backend.connect();
    const offered = (await frontend.ask(requests.GET_FEATURES, undefined)) ?? 0n;
    expect(offered & (VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU)).toBe(feature);
  });

  it('says what the device can hash, where RSS is offered', async () => {
    await using backend = new TestBackend();
    backend.driver.enableFeatures(VIRTIO_NET_F_RSS | VIRTIO_NET_F_CTRL_VQ);
    await backend.driver.start();
    const bytes = await read(await backend.connect(), 17, 3);
    expect([...bytes]).toEqual([40, 128, 0]);
  });

  it('ends with zeroes', async () => {
    await using backend = await speaking();
    expect([...(await read(await backend.connect(), 250, 6))]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it.each([
    ['a group address', { mac: '01:00:00:00:00:01' }],
    ['no address', { mac: 'somewhere' }],
    ['an MTU of 67', { mtu: 67 }],
    ['an MTU of 9711', { mtu: 9711 }],
    ['half an MTU', { mtu: 1500.5 }],
  ])('cannot have %s', async (_, said) => {
    await using backend = new TestBackend();
    expect(() => backend.driver.setNetConfig(said)).toThrow(
      expect.objectContaining({ code: 'VIO_VHOST_NET_CONFIG' }),
    );
  });
});

describe('a driver that writes the configuration', () => {
  const writing = async (offset: number, bytes: number, flags = 0, features = 0n) => {
    await using backend = new TestBackend();
    backend.driver.setNetConfig({ mac, linkUp: true });
    await backend.driver.start();
    const frontend = await backend.connect();
    await frontend.send(requests.SET_FEATURES, features);
    const data = new Uint8Array(bytes).fill(2);
    const answer = await frontend.acknowledged(requests.SET_CONFIG, { offset, flags, data });
    return { answer, codes: backend.refused.map(({ code }) => code), after: await config(frontend) };
  };

  it('may give a legacy device its address', async () => {
    expect(await writing(0, 6)).toMatchObject({ answer: 0n, after: { mac: '02:02:02:02:02:02' } });
  });

  it('may restore the address of any device after a migration', async () => {
    expect(await writing(0, 6, 1, VIRTIO_F_VERSION_1)).toMatchObject({ after: { mac: '02:02:02:02:02:02' } });
  });

  it.each([
    ['the address of a modern device', 0, 6, 0, VIRTIO_F_VERSION_1],
    ['the link state', 6, 2, 0, 0n],
    ['the link state in a migration', 6, 2, 1, 0n],
    ['the address and more', 0, 8, 0, 0n],
  ])('may not write %s', async (_, offset, bytes, flags, features) => {
    expect(await writing(offset, bytes, flags, features)).toMatchObject({
      answer: 1n,
      codes: ['VIO_VHOST_CONFIG'],
      after: { mac, linkUp: true },
    });
  });
});

describe('a frontend that wants to know of changes', () => {
  it('is told of each', async () => {
    await using backend = await speaking();
    const frontend = await backend.connect();
    using channel = await listen(frontend);
    backend.driver.setNetConfig({ linkUp: false });
    await channel.stream.readable({ timeout: 2000 });
    expect([channel.answer, channel.changes()]).toEqual([0n, 1]);
    backend.driver.setNetConfig({ linkUp: true });
    await channel.stream.readable({ timeout: 2000 });
    expect(channel.changes()).toBe(1);
  });

  it('is told once of many at once', async () => {
    await using backend = await speaking();
    const frontend = await backend.connect();
    using channel = await listen(frontend);
    for (let i = 0; i < 100; i++) backend.driver.setNetConfig({ linkUp: i % 2 === 0 });
    await handled(frontend);
    const changes = channel.changes();
    expect([changes > 0, changes <= 2]).toEqual([true, true]);
  });

  it('and does not read is not told any more, and nothing else happens to it', async () => {
    await using backend = await speaking();
    const frontend = await backend.connect();
    const channel = await listen(frontend);
    channel.stream.close();
    backend.driver.setNetConfig({ linkUp: false });
    backend.driver.setNetConfig({ linkUp: true });
    await handled(frontend);
    expect(backend.ended).toEqual([]);
  });

  it('must send a socket', async () => {
    await using backend = await speaking();
    using guest = new Guest();
    const frontend = await backend.connect();
    const answer = await frontend.acknowledged(requests.SET_BACKEND_REQ_FD, undefined, { fds: [guest.fd] });
    expect([answer, backend.refused.map(({ code }) => code)]).toEqual([1n, ['VIO_VHOST_FD']]);
  });
});

describe('an announcement', () => {
  it('is asked for by the configuration', async () => {
    await using backend = new TestBackend();
    backend.driver.enableFeatures(VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_GUEST_ANNOUNCE);
    await backend.driver.start();
    const frontend = await backend.connect();
    await frontend.send(requests.SET_FEATURES, VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_GUEST_ANNOUNCE);
    using channel = await listen(frontend);
    expect(backend.device.announce()).toBe(true);
    await channel.stream.readable({ timeout: 2000 });
    expect(await config(frontend)).toMatchObject({ announce: true });
  });

  it('is not asked of a driver that cannot', async () => {
    await using backend = await speaking();
    const frontend = await backend.connect();
    expect([backend.device.announce(), (await config(frontend)).announce]).toEqual([false, false]);
  });

  it('the frontend asks for reaches the application', async () => {
    await using backend = await speaking();
    const announced: string[] = [];
    backend.driver.callbacks({ announced: (_, address) => announced.push(address) });
    const frontend = await backend.connect();
    await frontend.send(requests.SEND_RARP, 0x5634_1200_5452n);
    await handled(frontend);
    expect(announced).toEqual([mac]);
  });
});

describe('the device status', () => {
  const found = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
  const agreed = found | STATUS_FEATURES_OK;

  it('keeps FEATURES_OK for features that go together', async () => {
    await using backend = await speaking();
    const frontend = await backend.connect();
    await frontend.send(requests.SET_FEATURES, VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED);
    await frontend.send(requests.SET_STATUS, agreed);
    expect(await frontend.ask(requests.GET_STATUS, undefined)).toBe(agreed);
  });

  it('does not keep FEATURES_OK for packed rings of a legacy device', async () => {
    await using backend = await speaking();
    const frontend = await backend.connect();
    await frontend.send(requests.SET_FEATURES, VIRTIO_F_RING_PACKED);
    await frontend.send(requests.SET_STATUS, agreed);
    expect(await frontend.ask(requests.GET_STATUS, undefined)).toBe(found);
  });

  it('says that a device needs a reset, until it gets one', async () => {
    await using backend = await speaking();
    using guest = new Guest();
    const frontend = await backend.connect();
    await guest.start(frontend);
    guest.rings[1].setAvailIndex(9);
    backend.device.dequeueBurst(1, packetPool(), new PacketBurst());
    const before = await frontend.ask(requests.GET_STATUS, undefined);
    await frontend.send(requests.SET_STATUS, 0);
    expect([before, await frontend.ask(requests.GET_STATUS, undefined)]).toEqual([
      driverReady | STATUS_NEEDS_RESET,
      0,
    ]);
  });
});

it('RESET_DEVICE stops everything, and the connection goes on', async () => {
  await using backend = await speaking();
  using guest = new Guest();
  const frontend = await backend.connect();
  await guest.start(frontend);
  expect(await frontend.acknowledged(requests.RESET_DEVICE, undefined)).toBe(0n);
  expect([backend.events.at(-1), backend.device.queueCount]).toEqual(['destroyDevice 0', 0]);
  await guest.start(frontend);
  expect(backend.device.running).toBe(true);
});

it('a configuration space is offered where there is something in it', async () => {
  await using silent = await TestBackend.start();
  silent.driver.setQueueNum(1);
  const without = await (await silent.connect()).ask(requests.GET_PROTOCOL_FEATURES, undefined);
  await using backend = await speaking();
  backend.driver.setQueueNum(1);
  const offered = await (await backend.connect()).ask(requests.GET_PROTOCOL_FEATURES, undefined);
  expect((offered ?? 0n) ^ (without ?? 0n)).toBe(VHOST_USER_PROTOCOL_F_CONFIG);
});

it('a configuration space is offered to drivers of several pairs, who read there how many', async () => {
  await using backend = await TestBackend.start();
  backend.driver.setQueueNum(3);
  const frontend = await backend.connect();
  const part = await frontend.ask(requests.GET_CONFIG, { offset: 8, flags: 0, data: new Uint8Array(2) });
  expect(part?.data).toEqual(Uint8Array.of(3, 0));
});

it('protocol features can be kept from frontends, and not be invented', async () => {
  await using backend = new TestBackend();
  backend.driver.setProtocolFeatures(1n << 3n);
  expect(() => backend.driver.setProtocolFeatures(1n << 8n)).toThrow(/PAGEFAULT/);
  await backend.driver.start();
  const frontend = await backend.connect();
  expect(await frontend.ask(requests.GET_PROTOCOL_FEATURES, undefined)).toBe(8n);
});
