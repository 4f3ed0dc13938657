import { UnixStream } from '@vio/native';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { ScriptedFrontend } from '../../testing/index.ts';
import { type Message, encodeRaw, encodeRequest, frontendRequests as requests } from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest } from '../../test-support/guest.ts';

const getFeatures = encodeRequest(requests.GET_FEATURES, undefined);
const nonsense = encodeRaw(99, 1, new Uint8Array(0));

/** Every message until the backend closes. */
async function allOf(frontend: ScriptedFrontend): Promise<Message[]> {
  const messages: Message[] = [];
  for (;;) {
    try {
      messages.push(await frontend.next());
    } catch {
      return messages;
    }
  }
}

describe('a frontend that had another backend before', () => {
  it('may stop its device on the new connection first, as DPDK does', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    await frontend.send(requests.SET_VRING_ENABLE, { index: 0, value: 0 });
    await frontend.send(requests.GET_VRING_BASE, { index: 0, value: 0 });
    expect((await frontend.next()).request).toBe(requests.GET_VRING_BASE.id);
  });
});

describe('answers that are owed', () => {
  it('go out before the connection ends for what came after them', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    await frontend.sendRaw(Buffer.concat([getFeatures, getFeatures, nonsense, getFeatures]));
    expect((await allOf(frontend)).map(({ request }) => request)).toEqual([1, 1]);
  });

  it('go out before the connection ends for a refusal that could not be said', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    const refusable = encodeRequest(requests.SET_VRING_NUM, { index: 0, value: 24 }, true);
    const fatal = encodeRequest(requests.SET_VRING_NUM, { index: 0, value: 24 }, false);
    await frontend.sendRaw(Buffer.concat([refusable, fatal]));
    expect((await allOf(frontend)).map(({ request, payload }) => [request, payload[0]])).toEqual([[8, 1]]);
  });

  it('include the refusal of a request that an application failed at', async () => {
    await using backend = await TestBackend.start();
    backend.driver.callbacks({
      featuresChanged: () => {
        throw new Error('no');
      },
      destroyConnection: (_, reason) => backend.ended.push(reason),
    });
    const frontend = await backend.connect();
    await frontend.send(requests.SET_FEATURES, 1n << 32n, { needReply: true });
    expect((await allOf(frontend)).map(({ payload }) => payload[0])).toEqual([1]);
    expect(backend.ended[0]).toMatchObject({ code: 'VIO_VHOST_INTERNAL', cause: { message: 'no' } });
  });

  it('are not piled up for a frontend that does not read them', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    const many = Buffer.concat(Array.from({ length: 1000 }, () => getFeatures));
    // The backend closes at some point: what is still on its way then cannot be sent.
    while (backend.ended.length === 0) await frontend.sendRaw(many).catch(() => {});
    expect(backend.ended.map(({ code }) => code)).toEqual(['VIO_VHOST_UNREAD']);
  });
});

describe('a frontend that breaks the protocol', () => {
  it('does not disturb another one', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest();
    const good = await backend.connect();
    await guest.start(good);
    const bad = await backend.connect();
    await bad.sendRaw(nonsense);
    await until(() => backend.ended.length > 0);
    await handled(good);
    expect(backend.devices.map(({ running }) => running)).toEqual([true, false]);
  });

  it('is not the only one heard when it has much to say', async () => {
    await using backend = await TestBackend.start();
    const busy = await backend.connect();
    const quiet = await backend.connect();
    const changes = Array.from({ length: 2000 }, (_, i) =>
      encodeRequest(requests.SET_FEATURES, i % 2 === 0 ? 1n << 32n : 0n),
    );
    const [, heard] = await Promise.all([
      busy.sendRaw(Buffer.concat(changes)),
      handled(quiet).then(() => backend.events.length),
    ]);
    await handled(busy);
    // The connections themselves are two events more.
    expect(backend.events.length).toBe(2002);
    expect(heard).toBeLessThan(2002);
  });
});

describe('a message that comes in pieces', () => {
  it.each([1, 11, 12, 19])('may pause after %d bytes without harm', async (bytes) => {
    await using backend = await TestBackend.start();
    const [slow, other] = [await backend.connect(), await backend.connect()];
    const message = encodeRequest(requests.SET_FEATURES, 1n << 32n);
    await slow.sendRaw(message.subarray(0, bytes));
    await handled(other);
    await slow.sendRaw(message.subarray(bytes));
    await handled(slow);
    expect(backend.events).toContain('featuresChanged 0 100000000');
  });

  it.each([1, 11, 12, 19])('and ends after %d bytes is named', async (bytes) => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    await frontend.sendRaw(encodeRequest(requests.SET_FEATURES, 1n).subarray(0, bytes));
    frontend.close();
    await until(() => backend.ended.length > 0);
    expect(backend.ended.map(({ code }) => code)).toEqual(['VIO_VHOST_MESSAGE_TRUNCATED']);
  });

  it('keeps its descriptors until it ends, and not longer', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest();
    const before = holdings();
    const frontend = await backend.connect();
    const kick = encodeRequest(requests.SET_VRING_KICK, { index: 0, hasFd: true });
    await frontend.sendRaw(kick.subarray(0, 5), [guest.kicks[0].fd]);
    frontend.close();
    await until(() => backend.ended.length > 0);
    expect(await holdingsLike(before)).toEqual(before);
  });
});

describe('a frontend that leaves', () => {
  using plan = new Guest({ rings: 4 });
  const steps = plan.steps().map(({ name }, at) => ({ name, at }));

  it.each(steps)('after $name leaves nothing behind', async ({ at }) => {
    await using backend = await TestBackend.start();
    using guest = new Guest({ rings: 4 });
    const before = holdings();
    const frontend = await backend.connect();
    for (const step of guest.steps().slice(0, at + 1)) await step.run(frontend);
    frontend.close();
    await until(() => backend.ended.length > 0);
    expect(backend.ended.map(({ code }) => code)).toEqual(['VIO_VHOST_DISCONNECTED']);
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('before it says anything is told', async () => {
    await using backend = await TestBackend.start();
    (await UnixStream.connect(backend.path)).close();
    await until(() => backend.ended.length > 0);
    expect(backend.events).toEqual(['newConnection 0', 'destroyConnection 0 VIO_VHOST_DISCONNECTED']);
  });
});
