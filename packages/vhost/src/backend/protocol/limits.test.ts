import { UnixStream, type VioError } from '@vio/native';
import { UncaughtErrors } from '@vio/rings/testing';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { encodeRequest, frontendRequests as requests } from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest } from '../../test-support/guest.ts';

describe('as many frontends as may be connected', () => {
  it('live on when more come: those are refused, and the application is told', async () => {
    await using backend = await TestBackend.start({ maxConnections: 2 });
    const refused: VioError[] = [];
    backend.driver.callbacks({ connectionRefused: (reason) => void refused.push(reason) });
    const frontends = [await backend.connect(), await backend.connect()];
    const before = holdings();
    for (let i = 0; i < 3; i++) {
      using late = await UnixStream.connect(backend.path);
      await late.readable({ timeout: 5000 });
      expect(late.receive(new Uint8Array(1))?.bytes).toBe(0);
    }
    for (const frontend of frontends) await handled(frontend);
    const { code, retryable } = refused[0];
    expect([refused.length, code, retryable]).toEqual([3, 'VIO_VHOST_CONNECTIONS', true]);
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('make room when they leave', async () => {
    await using backend = await TestBackend.start({ maxConnections: 1 });
    (await backend.connect())[Symbol.dispose]();
    await until(() => backend.ended.length === 1);
    await handled(await backend.connect());
    expect(backend.devices.length).toBe(2);
  });

  it('live on when a handler of the refusal throws', async () => {
    using uncaught = new UncaughtErrors();
    await using backend = await TestBackend.start({ maxConnections: 1 });
    const thrown = new Error('application');
    backend.driver.callbacks({
      connectionRefused: () => {
        throw thrown;
      },
    });
    const first = await backend.connect();
    for (let i = 0; i < 2; i++) {
      using late = await UnixStream.connect(backend.path);
      await late.readable({ timeout: 5000 });
    }
    await handled(first);
    expect(await uncaught.all()).toEqual([thrown, thrown]);
  });
});

describe('a frontend that', () => {
  const whole = encodeRequest(requests.GET_FEATURES, undefined);
  const long = encodeRequest(requests.SET_FEATURES, 1n << 32n);

  it.each([
    ['says nothing', [] as Uint8Array[]],
    ['says half a header', [whole.subarray(0, 5)]],
    ['says a header without its payload', [long.subarray(0, 12)]],
    ['stops in the middle of a later request', [whole, long.subarray(0, 15)]],
  ])('%s is not waited for any longer than is allowed', async (_what, parts) => {
    await using backend = await TestBackend.start({ handshakeTimeout: 50 });
    const before = holdings();
    using stream = await UnixStream.connect(backend.path);
    for (const part of parts) await stream.send(part);
    await until(() => backend.ended.length > 0);
    stream.close();
    expect(backend.ended.map(({ code }) => code)).toEqual(['VIO_TIMEOUT']);
    expect(await holdingsLike(before)).toEqual(before);
  });

  it.each([Infinity, 2 ** 31])(
    'says nothing for less than %s milliseconds is waited for',
    async (patience) => {
      await using backend = await TestBackend.start({ handshakeTimeout: patience });
      using stream = await UnixStream.connect(backend.path);
      await until(() => backend.devices.length === 1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await stream.send(whole);
      await stream.readable({ timeout: Infinity });
      expect(stream.receive(new Uint8Array(64))?.bytes).toBe(20);
    },
  );

  it('has spoken may be silent for as long as it likes, ready or not', async () => {
    await using backend = await TestBackend.start({ handshakeTimeout: 20 });
    using guest = new Guest();
    const idle = await backend.connect();
    const running = await backend.connect();
    await guest.start(running);
    // The time of a connection that comes later is over: so would theirs be.
    using silent = await UnixStream.connect(backend.path);
    await until(() => backend.ended.length > 0);
    silent.close();
    await handled(idle);
    await handled(running);
    expect(backend.ended.length).toBe(1);
  });

  it('was connected to by this side is waited for', async () => {
    const { UnixListener } = await import('@vio/native');
    const backend = new TestBackend({ client: true, noReconnect: true, handshakeTimeout: 1 });
    using listener = UnixListener.listen(backend.path);
    await backend.driver.start();
    using stream = await listener.accept();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await stream.send(whole);
    await stream.readable({ timeout: 5000 });
    expect(stream.receive(new Uint8Array(64))?.bytes).toBe(20);
    await backend[Symbol.asyncDispose]();
  });
});
