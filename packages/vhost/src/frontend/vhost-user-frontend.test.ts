import { EventFd, SharedMemory, UnixStream } from '@vio/native';
import { coded } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { connected, names, open, settled } from '../test-support/scripted-pair.ts';
import {
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_STATUS,
} from '../wire/index.ts';
import { VhostUserFrontend } from './vhost-user-frontend.ts';

describe('features', () => {
  it('are what the backend offers, without the bit that only vhost-user knows', async () => {
    const { frontend } = connected({ features: 0x1_0000_0021n, protocolFeatures: 1n });
    expect(await frontend.getFeatures()).toBe(0x1_0000_0021n);
  });

  it('are set with bit 30 if the backend offered it', async () => {
    const { backend, frontend } = connected({ features: 0x21n, protocolFeatures: 1n });
    await frontend.getFeatures();
    await frontend.setFeatures(0x20n);
    await settled(frontend);
    expect(backend.seen).toContainEqual(
      expect.objectContaining({ name: 'SET_FEATURES', payload: 0x20n | VHOST_USER_F_PROTOCOL_FEATURES }),
    );
  });

  it('are set as they are if it did not', async () => {
    const { backend, frontend } = connected({ features: 0x21n });
    await frontend.getFeatures();
    await frontend.setFeatures(0x20n);
    await settled(frontend);
    expect(backend.seen).toContainEqual(expect.objectContaining({ name: 'SET_FEATURES', payload: 0x20n }));
  });
});

describe('protocol features', () => {
  it('are those that both want', async () => {
    const { backend, frontend } = connected(
      { protocolFeatures: VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_RARP | (1n << 40n) },
      { protocolFeatures: VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_STATUS },
    );
    await frontend.getFeatures();
    await settled(frontend);
    expect(frontend.protocolFeatures).toBe(VHOST_USER_PROTOCOL_F_MQ);
    expect(backend.seen).toContainEqual(
      expect.objectContaining({ name: 'SET_PROTOCOL_FEATURES', payload: VHOST_USER_PROTOCOL_F_MQ }),
    );
  });

  it('are negotiated once', async () => {
    const { backend, frontend } = connected({ protocolFeatures: 1n });
    await frontend.getFeatures();
    await frontend.getFeatures();
    expect(names(backend).filter((name) => name === 'GET_PROTOCOL_FEATURES')).toHaveLength(1);
  });

  it('are not spoken of to a backend without bit 30', async () => {
    const { backend, frontend } = connected();
    await frontend.getFeatures();
    expect(frontend.protocolFeatures).toBe(0n);
    expect(names(backend)).toEqual(['GET_FEATURES']);
  });

  it('that this frontend cannot follow are refused, and the stream is closed', () => {
    const [stream, other] = UnixStream.pair();
    open.push(other);
    expect(() =>
      VhostUserFrontend.adopt(stream, { protocolFeatures: VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS }),
    ).toThrow(/INBAND_NOTIFICATIONS/);
    expect(stream.fd).toBe(-1);
  });
});

describe('what takes a protocol feature', () => {
  const calls: [string, (frontend: VhostUserFrontend) => Promise<unknown>][] = [
    ['STATUS', (frontend) => frontend.getStatus()],
    ['STATUS', (frontend) => frontend.setStatus(0)],
    ['CONFIG', (frontend) => frontend.getConfig(0, 6)],
    ['CONFIG', (frontend) => frontend.setConfig({ offset: 0, flags: 0, data: new Uint8Array(1) })],
    ['NET_MTU', (frontend) => frontend.setMtu(1500)],
    ['RARP', (frontend) => frontend.sendRarp(new Uint8Array(6))],
    ['CONFIGURE_MEM_SLOTS', (frontend) => frontend.getMaxMemSlots()],
    ['LOG_SHMFD', (frontend) => frontend.setLogBase({ size: 4096, offset: 0 }, 0)],
    ['INFLIGHT_SHMFD', (frontend) => frontend.getInflight(2, 256)],
    ['BACKEND_REQ', (frontend) => frontend.setBackendRequestFd(0)],
    ['RESET_DEVICE', (frontend) => frontend.resetDevice()],
  ];

  it.each(calls)('is refused here without %s, and nothing is sent', async (feature, call) => {
    const { backend, frontend } = connected({ protocolFeatures: VHOST_USER_PROTOCOL_F_MQ });
    await frontend.getFeatures();
    await expect(call(frontend)).rejects.toThrow(
      expect.objectContaining({ code: 'VIO_VHOST_UNSUPPORTED', message: expect.stringContaining(feature) }),
    );
    await settled(frontend);
    expect(backend.seen).toHaveLength(4);
  });

  it('enabling a ring does nothing without bit 30, where rings start enabled', async () => {
    const { backend, frontend } = connected();
    await frontend.getFeatures();
    await frontend.setVringEnable(0, true);
    await settled(frontend);
    expect(names(backend)).toEqual(['GET_FEATURES', 'GET_VRING_BASE']);
    await expect(frontend.setVringEnable(0, false)).rejects.toThrow(coded('VIO_VHOST_UNSUPPORTED'));
  });

  it('asks for the number of queues only with MQ', async () => {
    const one = connected();
    await one.frontend.getFeatures();
    expect(await one.frontend.queueNum()).toBe(1);
    const many = connected({ protocolFeatures: VHOST_USER_PROTOCOL_F_MQ, queuePairs: 4 });
    await many.frontend.getFeatures();
    expect(await many.frontend.queueNum()).toBe(4);
  });

  it('never promises more queue pairs than ring numbers of 8 bits can name', async () => {
    const { frontend } = connected({ protocolFeatures: VHOST_USER_PROTOCOL_F_MQ, queuePairs: 1000 });
    await frontend.getFeatures();
    expect(await frontend.queueNum()).toBe(128);
  });
});

describe('acknowledgements', () => {
  it('are asked for every request without an answer of its own, once negotiated', async () => {
    const { backend, frontend } = connected({ protocolFeatures: VHOST_USER_PROTOCOL_F_REPLY_ACK });
    await frontend.setOwner();
    await frontend.getFeatures();
    await frontend.setFeatures(0n);
    await frontend.setVringNum(0, 256);
    await frontend.getVringBase(0);
    expect(backend.seen.map(({ name, needsReply }) => [name, needsReply])).toEqual([
      ['SET_OWNER', false],
      ['GET_FEATURES', false],
      ['GET_PROTOCOL_FEATURES', false],
      ['SET_PROTOCOL_FEATURES', false],
      ['SET_FEATURES', true],
      ['SET_VRING_NUM', true],
      ['GET_VRING_BASE', false],
    ]);
  });

  it('that refuse leave the connection in order', async () => {
    const { frontend } = connected({
      protocolFeatures: VHOST_USER_PROTOCOL_F_REPLY_ACK,
      misbehave: { at: 3, how: 'refuse' },
    });
    await frontend.getFeatures();
    await expect(frontend.setVringNum(0, 256)).rejects.toThrow(coded('VIO_VHOST_REFUSED'));
    await frontend.setVringNum(0, 128);
    expect(frontend.down).toBe(undefined);
  });
});

describe('descriptors', () => {
  it('travel with the request and stay the caller’s', async () => {
    using memory = SharedMemory.create({ size: 4096 });
    using event = EventFd.create();
    const { backend, frontend } = connected();
    const { fd, size } = memory;
    await frontend.setMemTable([{ guestAddress: 0, userAddress: 0, size, mmapOffset: 0, fd }]);
    await frontend.setVringKick(1, event.fd);
    await frontend.setVringCall(1, undefined);
    await settled(frontend);
    event.signal();
    expect(backend.seen.map((request) => request.fds)).toEqual([1, 1, 0, 0]);
    expect(event.drain()).toBe(true);
  });

  it('that are not open fail the call, not the connection', async () => {
    const { frontend } = connected();
    await expect(frontend.setVringKick(0, 99_999)).rejects.toThrow(coded('VIO_SYS_EBADF'));
    expect(await frontend.getVringBase(0)).toBe(0);
  });
});

describe('values', () => {
  it('that no backend may be sent are refused before sending', async () => {
    const { backend, frontend } = connected();
    await expect(frontend.setVringNum(0, 0)).rejects.toThrow(coded('VIO_VHOST_MESSAGE_VALUE'));
    await expect(frontend.setVringNum(256, 1)).rejects.toThrow(coded('VIO_VHOST_MESSAGE_VALUE'));
    await settled(frontend);
    expect(names(backend)).toEqual(['GET_VRING_BASE']);
  });

  it('come back as they were set: base, status, configuration', async () => {
    const { frontend } = connected({
      protocolFeatures: VHOST_USER_PROTOCOL_F_STATUS | VHOST_USER_PROTOCOL_F_CONFIG,
      config: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]),
    });
    await frontend.getFeatures();
    await frontend.setVringBase(1, 0x8000_8003);
    await frontend.setStatus(15);
    expect(await frontend.getVringBase(1)).toBe(0x8000_8003);
    expect(await frontend.getStatus()).toBe(15);
    expect(await frontend.getConfig(2, 3)).toEqual(new Uint8Array([3, 4, 5]));
  });

  it('the backend cannot read are refused: configuration beyond its end', async () => {
    const { frontend } = connected({ protocolFeatures: VHOST_USER_PROTOCOL_F_CONFIG });
    await frontend.getFeatures();
    await expect(frontend.getConfig(100, 6)).rejects.toThrow(coded('VIO_VHOST_REFUSED'));
    expect(frontend.down).toBe(undefined);
  });
});

describe('order', () => {
  it('is that of the calls, one request at a time', async () => {
    const { backend, frontend } = connected();
    const bases = await Promise.all([
      frontend.getVringBase(3),
      frontend.setVringBase(2, 7),
      frontend.getVringBase(2),
    ]);
    expect(bases).toEqual([0, undefined, 7]);
    expect(names(backend)).toEqual(['GET_VRING_BASE', 'SET_VRING_BASE', 'GET_VRING_BASE']);
  });

  it('allows what the protocol allows, such as setting the owner twice', async () => {
    const { backend, frontend } = connected();
    await frontend.setOwner();
    await frontend.setOwner();
    await settled(frontend);
    expect(names(backend)).toEqual(['SET_OWNER', 'SET_OWNER', 'GET_VRING_BASE']);
  });
});

it('an option that there is not is refused, and nothing is asked', async () => {
  const { backend, frontend } = connected();
  const misspelt: object = { timout: 1 };
  const unknown = (request: string) => ({
    code: 'VIO_OPTION_UNKNOWN',
    message: `${request} has no option "timout"`,
  });
  await expect(frontend.getFeatures(misspelt)).rejects.toMatchObject(unknown('GET_FEATURES'));
  await expect(frontend.setOwner(misspelt)).rejects.toMatchObject(unknown('SET_OWNER'));
  await settled(frontend);
  expect(names(backend)).toEqual(['GET_VRING_BASE']);
});
