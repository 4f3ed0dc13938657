import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventFd, UnixListener, VioError } from '@vio/native';
import { coded, openFds } from '@vio/test-support';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answering, connected, names, open, settled } from '../test-support/scripted-pair.ts';
import { ScriptedBackend } from '../testing/index.ts';
import { VHOST_USER_PROTOCOL_F_CONFIG, encodeReply, frontendRequests } from '../wire/index.ts';
import { VhostUserFrontend } from './vhost-user-frontend.ts';

describe('an answer', () => {
  it('about another ring is not taken', async () => {
    const frontend = answering(encodeReply(frontendRequests.GET_VRING_BASE, { index: 1, value: 7 }));
    await expect(frontend.getVringBase(0)).rejects.toThrow(/vring index is 1, allowed is 0/);
    expect(frontend.down?.code).toBe('VIO_VHOST_MESSAGE_VALUE');
  });

  it('that is doubled is not taken for the answer to the next request', async () => {
    const { frontend } = connected({ misbehave: { at: 0, how: 'duplicate' } });
    const [first, second] = await Promise.allSettled([frontend.getVringBase(0), frontend.getVringBase(0)]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ reason: { code: 'VIO_VHOST_MESSAGE_UNEXPECTED' } });
  });

  it('that stops half way, with a descriptor, leaves nothing behind', async () => {
    using event = EventFd.create();
    const before = openFds();
    const frontend = answering(encodeReply(frontendRequests.GET_FEATURES, 1n).subarray(0, 15), [event.fd]);
    await expect(frontend.getFeatures({ timeout: 20 })).rejects.toThrow(coded('VIO_TIMEOUT'));
    open.splice(0).forEach((one) => one.close());
    expect(openFds()).toBe(before);
  });

  it('with other configuration than what was asked for is not taken', async () => {
    const { backend, frontend } = connected({ protocolFeatures: VHOST_USER_PROTOCOL_F_CONFIG });
    await frontend.getFeatures();
    backend.answer(frontendRequests.GET_CONFIG, () => ({ offset: 1, flags: 0, data: new Uint8Array(6) }));
    await expect(frontend.getConfig(0, 6)).rejects.toThrow(
      /configuration is 6 bytes at 1, allowed is 6 bytes at 0/,
    );
    expect(frontend.down?.code).toBe('VIO_VHOST_MESSAGE_VALUE');
  });
});

describe('patience', () => {
  const silent = { misbehave: { at: 0, how: 'silent' } } as const;

  it('ends with the timeout of the call, and with it the connection', async () => {
    const { frontend } = connected(silent);
    await expect(frontend.getFeatures({ timeout: 20 })).rejects.toThrow(coded('VIO_TIMEOUT'));
    expect(frontend.down?.code).toBe('VIO_TIMEOUT');
  });

  it('ends with the signal of the call', async () => {
    const { frontend } = connected(silent);
    const controller = new AbortController();
    const pending = frontend.getFeatures({ signal: controller.signal });
    controller.abort();
    await expect(pending).rejects.toThrow(coded('VIO_ABORTED'));
    expect(frontend.down?.code).toBe('VIO_ABORTED');
  });

  it('of a call that is still queued ends that call only', async () => {
    const { backend, frontend } = connected();
    const controller = new AbortController();
    const first = frontend.getVringBase(0);
    const second = frontend.getVringBase(1, { signal: controller.signal });
    controller.abort();
    await expect(second).rejects.toThrow(coded('VIO_ABORTED'));
    expect(await first).toBe(0);
    await frontend.setOwner();
    await settled(frontend);
    expect(names(backend)).toEqual(['GET_VRING_BASE', 'SET_OWNER', 'GET_VRING_BASE']);
    expect(frontend.down).toBe(undefined);
  });

  it('does not begin when the signal is aborted already', async () => {
    const { backend, frontend } = connected();
    await expect(frontend.setOwner({ signal: AbortSignal.abort() })).rejects.toThrow(coded('VIO_ABORTED'));
    await settled(frontend);
    expect(names(backend)).toEqual(['GET_VRING_BASE']);
  });
});

describe('the end', () => {
  it('rejects every call with the same reason', async () => {
    const { frontend } = connected({ misbehave: { at: 0, how: 'close' } });
    const results = await Promise.allSettled([
      frontend.getVringBase(0),
      frontend.setOwner(),
      frontend.getVringBase(1),
    ]);
    await expect(frontend.setOwner()).rejects.toBe(frontend.down);
    expect(results.map((result) => result.status === 'rejected' && result.reason === frontend.down)).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('is reported while nothing is asked', async () => {
    const { backend, frontend } = connected();
    const reason = new Promise<VioError>((resolve) => {
      frontend.onDown(resolve);
    });
    backend.close();
    expect((await reason).code).toBe('VIO_VHOST_DISCONNECTED');
  });

  it('is reported to a handler that comes later', async () => {
    const { backend, frontend } = connected();
    const first = new Promise<VioError>((resolve) => {
      frontend.onDown(resolve);
    });
    backend.close();
    const reason = await first;
    const later = new Promise<VioError>((resolve) => {
      frontend.onDown(resolve);
    });
    expect(await later).toBe(reason);
  });

  it('is not reported to a handler that was taken back', async () => {
    const { backend, frontend } = connected();
    let told = false;
    const takeBack = frontend.onDown(() => (told = true));
    takeBack();
    const reason = new Promise<VioError>((resolve) => {
      frontend.onDown(resolve);
    });
    backend.close();
    await reason;
    expect(told).toBe(false);
  });

  it('by close() is no failure: pending calls reject, nothing is reported', async () => {
    const { frontend } = connected({ misbehave: { at: 0, how: 'silent' } });
    let told = false;
    frontend.onDown(() => (told = true));
    const pending = frontend.getFeatures();
    frontend.close();
    frontend.close();
    await expect(pending).rejects.toThrow(coded('VIO_VHOST_CLOSED'));
    await expect(frontend.setOwner()).rejects.toThrow(coded('VIO_VHOST_CLOSED'));
    expect([frontend.down, told]).toEqual([undefined, false]);
  });
});

describe('connecting by path', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vhost-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('reaches a backend that listens', async () => {
    const path = join(directory, 'sock');
    const listener = UnixListener.listen(path);
    open.push(listener);
    const [frontend, stream] = await Promise.all([VhostUserFrontend.connect(path), listener.accept()]);
    open.push(frontend, new ScriptedBackend(stream, { features: 5n }));
    expect(await frontend.getFeatures()).toBe(5n);
  });

  it('says that there is no socket', async () => {
    await expect(VhostUserFrontend.connect(join(directory, 'none'))).rejects.toThrow(
      coded('VIO_SOCKET_MISSING'),
    );
  });
});
