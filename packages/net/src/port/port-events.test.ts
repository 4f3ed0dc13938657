import { VioError } from '@vio/native';
import { UncaughtErrors } from '@vio/rings/testing';
import { describe, expect, it } from 'vitest';
import { PacketBurst } from '../packet-burst.ts';
import { frameOf } from '../test-support/wire.ts';
import { wiredPort } from '../test-support/wired-port.ts';

const gone = new VioError('the backend went away', { code: 'VIO_TEST', remedy: 'none' });
const thrown = new Error('application');
const fail = (): never => {
  throw thrown;
};

describe('a handler that throws', () => {
  it('keeps the port from nothing, and is told once', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    port.on('link', fail);
    port.setLink({ up: false, reason: gone });
    expect([port.link.reason, await uncaught.all()]).toEqual([gone, [thrown]]);
  });

  it('keeps the other handlers from nothing', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    const seen: boolean[] = [];
    port.on('link', fail);
    port.on('link', ({ up }) => seen.push(up));
    for (const up of [false, true, false]) port.setLink({ up });
    expect([seen, await uncaught.all()]).toEqual([
      [false, true, false],
      [thrown, thrown, thrown],
    ]);
  });

  it('does not keep who waits for packets asleep', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    port.on('link', fail);
    const waiting = port.untilPackets();
    port.setLink({ up: false, reason: gone });
    await waiting;
    expect(await uncaught.all()).toEqual([thrown]);
  });

  it('does not keep the port from being closed', async () => {
    using uncaught = new UncaughtErrors();
    const port = wiredPort();
    port.on('link', fail);
    port[Symbol.dispose]();
    expect([port.closed, await uncaught.all()]).toEqual([true, [thrown]]);
  });

  it('of a broken queue does not throw out of a burst', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    port.on('broken', fail);
    port.wires[0].corrupt(port.rx[0].queue);
    expect(port.rx[0].receive(new PacketBurst(4))).toBe(0);
    expect([port.rx[0].broken === undefined, await uncaught.all()]).toEqual([false, [thrown]]);
  });

  it('of an interrupt does not keep the readers of the queue asleep', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    const interrupt = port.rxInterrupt(0);
    const stop = interrupt.onSignal(fail);
    const waiting = port.untilPackets();
    port.deliver(frameOf(60));
    await waiting;
    stop();
    expect(await uncaught.all()).toEqual([thrown]);
  });
});

describe('handlers', () => {
  it('that listen once are called once, even if they throw', async () => {
    using uncaught = new UncaughtErrors();
    using port = wiredPort();
    port.once('link', fail);
    for (const up of [false, true, false]) port.setLink({ up });
    expect([port.listenerCount('link'), await uncaught.all()]).toEqual([0, [thrown]]);
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
