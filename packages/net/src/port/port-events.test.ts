import { UncaughtErrors } from '@vio/rings/testing';
import { applicationError, failingHandler } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { PacketBurst } from '../packet-burst.ts';
import { frameOf } from '../test-support/wire.ts';
import { gone, wiredPort } from '../test-support/wired-port.ts';

describe('a handler that throws', () => {
  it('keeps the port from nothing, and is told once', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    port.on('link', failingHandler);
    port.setLink({ up: false, reason: gone });
    expect([port.link.reason, await uncaught.all()]).toEqual([gone, [applicationError]]);
  });

  it('keeps the other handlers from nothing', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    const seen: boolean[] = [];
    port.on('link', failingHandler);
    port.on('link', ({ up }) => seen.push(up));
    for (const up of [false, true, false]) port.setLink({ up });
    expect([seen, await uncaught.all()]).toEqual([
      [false, true, false],
      [applicationError, applicationError, applicationError],
    ]);
  });

  it('does not keep who waits for packets asleep', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    port.on('link', failingHandler);
    const waiting = port.untilPackets();
    port.setLink({ up: false, reason: gone });
    await waiting;
    expect(await uncaught.all()).toEqual([applicationError]);
  });

  it('does not keep the port from being closed', async () => {
    using uncaught = new UncaughtErrors();
    const port = wiredPort();
    port.on('link', failingHandler);
    port[Symbol.dispose]();
    expect([port.closed, await uncaught.all()]).toEqual([true, [applicationError]]);
  });

  it('of a broken queue does not throw out of a burst', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    port.on('broken', failingHandler);
    port.wires[0].corrupt(port.rx[0].queue);
    expect(port.rx[0].receive(new PacketBurst(4))).toBe(0);
    expect([port.rx[0].broken === undefined, await uncaught.all()]).toEqual([false, [applicationError]]);
  });

  it('of an interrupt does not keep the readers of the queue asleep', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    const interrupt = port.rxInterrupt(0);
    const stop = interrupt.onSignal(failingHandler);
    const waiting = port.untilPackets();
    port.deliver(frameOf(60));
    await waiting;
    stop();
    expect(await uncaught.all()).toEqual([applicationError]);
  });
});

describe('handlers', () => {
  it('that listen once are called once, even if they throw', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    port.once('link', failingHandler);
    for (const up of [false, true, false]) port.setLink({ up });
    expect([port.listenerCount('link'), await uncaught.all()]).toEqual([0, [applicationError]]);
  });

  it('that are taken away by another one at the same time have been called', () => {
    using port = wiredPort();
    const seen: string[] = [];
    const second = (): void => void seen.push('second');
    port.on('link', () => {
      seen.push('first');
      port.off('link', second);
    });
    port.on('link', second);
    for (const up of [false, true]) port.setLink({ up });
    expect(seen).toEqual(['first', 'second', 'first']);
  });

  it('know whether there are any', () => {
    using port = wiredPort();
    const without = port.emit('link', { up: true });
    port.on('link', () => {});
    expect([without, port.emit('link', { up: true })]).toEqual([false, true]);
  });
});
