import { EventFd, VioError, closeFd } from '@vio/native';
import { openFds, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import {
  VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  encodeRaw,
  frontendRequests as requests,
} from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import type { VhostDevice } from '../device/vhost-device.ts';
import type { ExternHandlers } from './extern-handlers.ts';

const crypto = {
  type: {
    name: 'crypto',
    id: 20,
    queues: 1,
    features: 0n,
    protocolFeatures: VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  },
} as const;

const started = async (handlers: ExternHandlers<VhostDevice>, flags = {}) => {
  const backend = await TestBackend.start(flags);
  backend.driver.externHandlers(handlers);
  return { backend, frontend: await backend.connect() };
};

describe('handlers of the application', () => {
  it('see every message before this library does', async () => {
    const seen: (string | undefined)[] = [];
    const { backend, frontend } = await started({ before: (_, { name }) => void seen.push(name) });
    await using _ = backend;
    await frontend.ask(requests.GET_QUEUE_NUM, undefined);
    expect(seen).toEqual(['GET_PROTOCOL_FEATURES', 'SET_PROTOCOL_FEATURES', 'GET_QUEUE_NUM']);
    expect(backend.devices).toHaveLength(1);
  });

  it('answer in its place, or take a message away from it', async () => {
    const { backend, frontend } = await started({
      before: (_, { name }) => {
        if (name === 'GET_QUEUE_NUM') return Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0);
        return name === 'SET_FEATURES' ? 'handled' : undefined;
      },
    });
    await using _ = backend;
    expect(await frontend.ask(requests.GET_QUEUE_NUM, undefined)).toBe(5);
    // Features that were never offered.
    expect(await frontend.acknowledged(requests.SET_FEATURES, 1n << 63n)).toBe(0n);
    expect(backend.device.features).toBe(0n);
  });

  it('see behind this library what it has done, and may answer otherwise', async () => {
    const seen: [string | undefined, boolean][] = [];
    const { backend, frontend } = await started({
      after: (device, { name }, done) => {
        seen.push([name, done]);
        return name === 'GET_QUEUE_NUM' && device.features === 0n
          ? Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0)
          : undefined;
      },
    });
    await using _ = backend;
    expect(await frontend.ask(requests.GET_QUEUE_NUM, undefined)).toBe(6);
    expect(seen.at(-1)).toEqual(['GET_QUEUE_NUM', true]);
  });

  it('serve requests that it does not know, of vhost-user or not', async () => {
    const { backend, frontend } = await started(
      {
        after: (_, { request, name, payload }, done) => {
          if (done) return undefined;
          return name === 'CREATE_CRYPTO_SESSION'
            ? payload.toReversed()
            : request === 99
              ? 'handled'
              : undefined;
        },
      },
      crypto,
    );
    await using _ = backend;
    const payload = Uint8Array.of(1, 2, 3);
    expect(await frontend.ask(requests.CREATE_CRYPTO_SESSION, payload)).toEqual(Uint8Array.of(3, 2, 1));
    await frontend.sendRaw(encodeRaw(99, 1 | 8, new Uint8Array(2)));
    expect((await frontend.next()).request).toBe(99);
    expect(await frontend.acknowledged(requests.CLOSE_CRYPTO_SESSION, 1n)).toBe(1n);
    expect(backend.refused.map(({ code }) => code)).toEqual(['VIO_VHOST_UNKNOWN_REQUEST']);
  });

  it('are not asked for a request whose protocol feature was not negotiated', async () => {
    let asked = 0;
    const { backend } = await started({ after: (_, __, done) => void (asked += done ? 0 : 1) }, crypto);
    await using _ = backend;
    const frontend = await backend.connect(1n << 3n);
    expect(await frontend.acknowledged(requests.CLOSE_CRYPTO_SESSION, 1n)).toBe(1n);
    expect([asked, backend.refused.map(({ code }) => code)]).toEqual([0, ['VIO_VHOST_NOT_NEGOTIATED']]);
  });

  it.each(['before', 'after'] as const)('%s: refuse with an error of this family', async (when) => {
    const refuse = (_: VhostDevice, { name }: { name: string | undefined }): undefined => {
      if (name === 'SET_OWNER') throw new VioError('no', { code: 'VIO_OWN', remedy: 'none' });
    };
    const { backend, frontend } = await started({ [when]: refuse });
    await using _ = backend;
    expect(await frontend.acknowledged(requests.SET_OWNER, undefined)).toBe(1n);
    expect(backend.refused.map(({ code }) => code)).toEqual(['VIO_OWN']);
    await handled(frontend);
  });

  it.each(['before', 'after'] as const)('%s: end the connection with any other error', async (when) => {
    const fail = (_: VhostDevice, { name }: { name: string | undefined }): undefined => {
      if (name === 'SET_OWNER') throw new Error('defect');
    };
    const { backend, frontend } = await started({ [when]: fail });
    await using _ = backend;
    await frontend.send(requests.SET_OWNER, undefined);
    await until(() => backend.ended.length > 0);
    expect(backend.ended).toMatchObject([{ code: 'VIO_VHOST_INTERNAL', cause: { message: 'defect' } }]);
  });

  it('get the descriptors of what they handle; all others are closed', async () => {
    const got: number[] = [];
    const { backend, frontend } = await started({
      before: (_, { request, fds }) => {
        if (request === 99) throw new VioError('no', { code: 'VIO_OWN', remedy: 'none' });
        if (request !== 98) return undefined;
        got.push(...fds);
        return 'handled';
      },
      after: () => undefined,
    });
    await using _ = backend;
    using event = EventFd.create();
    const before = openFds();
    for (const request of [97, 98, 99]) {
      await frontend.sendRaw(encodeRaw(request, 1 | 8, new Uint8Array(0)), [event.fd]);
      await frontend.next();
    }
    expect([got.length, openFds() - before]).toEqual([1, 1]);
    for (const fd of got) closeFd(fd);
  });

  it('that there are not are refused by name', async () => {
    await using backend = await TestBackend.start();
    const wrong: object = { befor: () => undefined };
    expect(() => backend.driver.externHandlers(wrong)).toThrow(
      expect.objectContaining({ code: 'VIO_OPTION_UNKNOWN' }),
    );
  });
});
