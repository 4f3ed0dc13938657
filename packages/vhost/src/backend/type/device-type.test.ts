import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import {
  VHOST_F_LOG_ALL,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  frontendRequests as requests,
  protocolFeatureNames,
} from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { VhostDriver } from '../driver/vhost-driver.ts';
import type { ConfigWrite } from './device-config.ts';
import type { DeviceType } from './device-type.ts';

const own = 1n << 5n;
/** What this library does for any device: protocol features, and the log of one that is moved. */
const always = VHOST_USER_F_PROTOCOL_FEATURES | VHOST_F_LOG_ALL;
const type: DeviceType = { name: 'thing', id: 42, queues: 3, features: VIRTIO_F_VERSION_1 | own };

const frontendOf = async (more: Partial<DeviceType> = {}) => {
  const backend = await TestBackend.start({ type: { ...type, ...more } });
  return { backend, frontend: await backend.connect() };
};

const part = (offset: number, data: Uint8Array) => ({ offset, flags: 0, data });

describe('a device type', () => {
  it('has the features it says, and with setFeatures fewer', async () => {
    const { backend, frontend } = await frontendOf();
    await using _ = backend;
    expect(await frontend.ask(requests.GET_FEATURES, undefined)).toBe(VIRTIO_F_VERSION_1 | own | always);
    backend.driver.disableFeatures(own);
    const later = await backend.connect();
    expect(await later.ask(requests.GET_FEATURES, undefined)).toBe(VIRTIO_F_VERSION_1 | always);
    expect(() => backend.driver.enableFeatures(1n << 7n)).toThrow('0x80 are not implemented');
  });

  it('has the protocol features of this library without those of network cards, and its own', async () => {
    const { backend, frontend } = await frontendOf({
      protocolFeatures: VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
      config: () => new Uint8Array(4),
    });
    await using _ = backend;
    const offered = await frontend.ask(requests.GET_PROTOCOL_FEATURES, undefined);
    expect(protocolFeatureNames(offered ?? 0n)).toEqual([
      'MQ',
      'LOG_SHMFD',
      'REPLY_ACK',
      'BACKEND_REQ',
      'CRYPTO_SESSION',
      'CONFIG',
      'INFLIGHT_SHMFD',
      'RESET_DEVICE',
      'CONFIGURE_MEM_SLOTS',
      'STATUS',
    ]);
    backend.driver.setProtocolFeatures(VHOST_USER_PROTOCOL_F_CRYPTO_SESSION);
    const later = await backend.connect();
    expect(await later.ask(requests.GET_PROTOCOL_FEATURES, undefined)).toBe(
      VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
    );
    expect(() => backend.driver.setProtocolFeatures(1n << 4n)).toThrow('NET_MTU');
  });

  it('says how many queues there are, and refuses rings beyond', async () => {
    const { backend, frontend } = await frontendOf();
    await using _ = backend;
    expect(await frontend.ask(requests.GET_QUEUE_NUM, undefined)).toBe(3);
    const answers = [];
    for (const index of [2, 3])
      answers.push(await frontend.acknowledged(requests.SET_VRING_NUM, { index, value: 8 }));
    expect(answers).toEqual([0n, 1n]);
  });

  it('has a configuration space of its own, and says when it has changed', async () => {
    let space = Uint8Array.of(1, 2, 3, 4);
    const { backend, frontend } = await frontendOf({ config: () => space });
    await using _ = backend;
    const ask = () => frontend.ask(requests.GET_CONFIG, part(2, new Uint8Array(4)));
    expect((await ask())?.data).toEqual(Uint8Array.of(3, 4, 0, 0));
    space = new Uint8Array(300).fill(9);
    backend.driver.configChanged();
    expect((await ask())?.data).toEqual(Uint8Array.of(9, 9, 9, 9));
  });

  it('lets drivers write what it wants to have written', async () => {
    const writes: ConfigWrite[] = [];
    const { backend, frontend } = await frontendOf({
      config: () => new Uint8Array(4),
      writeConfig: (write) => {
        writes.push(write);
        return write.offset === 3;
      },
    });
    await using _ = backend;
    const results = [];
    for (const offset of [3, 2])
      results.push(await frontend.acknowledged(requests.SET_CONFIG, part(offset, Uint8Array.of(7))));
    expect(results).toEqual([0n, 1n]);
    expect(writes.map(({ offset, data, migrates }) => [offset, data[0], migrates])).toEqual([
      [3, 7, false],
      [2, 7, false],
    ]);
  });

  it('has no configuration space to write unless it says so', async () => {
    const { backend, frontend } = await frontendOf({ config: () => new Uint8Array(4) });
    await using _ = backend;
    expect(await frontend.acknowledged(requests.SET_CONFIG, part(0, Uint8Array.of(7)))).toBe(1n);
    expect(backend.refused.map(({ code }) => code)).toEqual(['VIO_VHOST_CONFIG']);
    await handled(frontend);
  });

  it.each([
    ['a type that is none', { id: 0 }, 'VIO_VHOST_DEVICE_TYPE'],
    ['the type that is built in', { id: 1 }, 'VIO_VHOST_DEVICE_TYPE'],
    ['no queues', { queues: 0 }, 'VIO_VHOST_DEVICE_TYPE'],
    ['too many queues', { queues: 257 }, 'VIO_VHOST_DEVICE_TYPE'],
    ['half a queue', { queues: 1.5 }, 'VIO_VHOST_DEVICE_TYPE'],
    ['an option there is not', { rings: 3 }, 'VIO_OPTION_UNKNOWN'],
  ])('is refused with %s', (_, wrong, code) => {
    expect(() => VhostDriver.register('/nowhere', { type: { ...type, ...wrong } })).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it('has nothing of a network card', () => {
    const driver = VhostDriver.register('/nowhere', { type });
    const code = 'VIO_VHOST_DEVICE_TYPE';
    expect(() => driver.setQueueNum(2)).toThrow(expect.objectContaining({ code }));
    expect(() => driver.setNetConfig({ mtu: 1500 })).toThrow(expect.objectContaining({ code }));
  });
});
