import { UnixStream } from '@vio/native';
import { PacketBurst } from '@vio/net';
import { BufferPool, Region } from '@vio/rings';
import { UncaughtErrors } from '@vio/rings/testing';
import { holdings, holdingsLike, until, applicationError, failingHandler } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { ScriptedFrontend } from '../../testing/index.ts';
import { frontendRequests as requests } from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest } from '../../test-support/guest.ts';
import type { VhostCallbacks } from './vhost-callbacks.ts';

/** Throws the first time it is called. */
function failOnce(): () => void {
  let calls = 0;
  return () => {
    if (calls++ === 0) failingHandler();
  };
}

/** A frontend, with all protocol features; undefined when the backend ends its connection at once. */
async function connect(backend: TestBackend): Promise<ScriptedFrontend | undefined> {
  const frontend = new ScriptedFrontend(await UnixStream.connect(backend.path));
  try {
    const offered = await frontend.ask(requests.GET_PROTOCOL_FEATURES, undefined);
    await frontend.send(requests.SET_PROTOCOL_FEATURES, offered ?? 0n);
    return frontend;
  } catch {
    frontend[Symbol.dispose]();
    return undefined;
  }
}

function nonsense(backend: TestBackend, guest: Guest): void {
  guest.rings[1].expose([{ address: 8, length: 100 }]);
  const pool = new BufferPool({ region: new Region(new ArrayBuffer(1 << 16)), offset: 0, count: 8 });
  backend.device.dequeueBurst(1, pool, new PacketBurst(4));
}

type Step = (frontend: ScriptedFrontend, guest: Guest, backend: TestBackend) => unknown;
const refusable: Step = (f) => f.send(requests.SET_VRING_NUM, { index: 0, value: 3 }, { needReply: true });

/** Every callback, and what has it called once the device runs; those without are called on the way there. */
const all: [name: keyof VhostCallbacks, step?: Step][] = [
  ['newConnection'],
  ['featuresChanged'],
  ['vringStateChanged'],
  ['newDevice'],
  ['destroyDevice', (f) => f.send(requests.GET_VRING_BASE, { index: 0, value: 0 })],
  ['refused', refusable],
  ['announced', (f) => f.send(requests.SEND_RARP, 0x0102_0304_0506n)],
  ['broken', (_, guest, backend) => nonsense(backend, guest)],
];

describe.each(all)('%s that throws', (name, step) => {
  it('ends its connection and nothing else, and is told once, as the reason', async () => {
    using uncaught = new UncaughtErrors();
    await using backend = await TestBackend.start();
    using other = new Guest();
    const living = await backend.connect();
    await other.start(living);
    const { device } = backend;
    const before = holdings();
    using guest = new Guest();
    const reasons: unknown[] = [];
    backend.driver.callbacks({
      newConnection: (d) => void backend.devices.push(d),
      destroyConnection: (_, reason) => void reasons.push([reason.code, reason.cause]),
      [name]: failOnce(),
    });
    const frontend = await connect(backend);
    if (frontend !== undefined) {
      await guest.start(frontend).catch(() => {});
      await Promise.resolve(step?.(frontend, guest, backend)).catch(() => {});
    }
    await until(() => reasons.length > 0);
    guest[Symbol.dispose]();
    frontend?.[Symbol.dispose]();
    backend.driver.callbacks({});
    await handled(living);
    expect(reasons).toEqual([['VIO_VHOST_INTERNAL', applicationError]]);
    expect([await uncaught.all(), device.running]).toEqual([[], true]);
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('without a destroyConnection is an uncaught exception, once', async () => {
    using uncaught = new UncaughtErrors();
    await using backend = await TestBackend.start();
    using guest = new Guest();
    backend.driver.callbacks({ newConnection: (d) => void backend.devices.push(d), [name]: failOnce() });
    const frontend = await connect(backend);
    if (frontend !== undefined) {
      await guest.start(frontend).catch(() => {});
      await Promise.resolve(step?.(frontend, guest, backend)).catch(() => {});
    }
    await until(() => uncaught.seen.length > 0);
    expect(await uncaught.all()).toEqual([applicationError]);
  });
});

describe.each(['destroyDevice', 'vringStateChanged', 'destroyConnection'] as const)(
  '%s that throws at the end of a connection',
  (name) => {
    it.each(['frontend', 'driver'])(
      'by the %s: everything is given back, and each error told once',
      async (who) => {
        using uncaught = new UncaughtErrors();
        const before = holdings();
        const backend = await TestBackend.start();
        const guests = [new Guest(), new Guest(), new Guest()];
        const frontends: ScriptedFrontend[] = [];
        for (const guest of guests) {
          const frontend = await backend.connect();
          await guest.start(frontend);
          frontends.push(frontend);
        }
        let ends = 0;
        backend.driver.callbacks({
          destroyConnection: () => void ends++,
          [name]: () => {
            if (name === 'destroyConnection') ends++;
            failingHandler();
          },
        });
        if (who === 'frontend') for (const frontend of frontends) frontend[Symbol.dispose]();
        else await backend.driver.close();
        await until(() => ends === 3);
        for (const guest of guests) guest[Symbol.dispose]();
        await backend[Symbol.asyncDispose]();
        // Rings are not told of one by one when their connection ends.
        const told =
          name === 'vringStateChanged' ? [] : [applicationError, applicationError, applicationError];
        expect([ends, await uncaught.all()]).toEqual([3, told]);
        expect(await holdingsLike(before)).toEqual(before);
      },
    );
  },
);
