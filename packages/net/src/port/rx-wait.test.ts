import { describe, expect, it } from 'vitest';
import { frameOf } from '../wire.fixture.ts';
import { turns, wiredPort } from './port.fixture.ts';

/** Whether a promise has settled after some turns of the event loop. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  const mark = (): void => {
    done = true;
  };
  promise.then(mark, mark);
  await turns(20);
  return done;
}

describe('untilPackets', () => {
  it('sleeps while nothing comes, and wakes with the first packet', async () => {
    using port = wiredPort();
    const waiting = port.untilPackets();
    expect(await settled(waiting)).toBe(false);
    port.deliver(frameOf(60));
    await waiting;
    expect(port.rx[0].receive(port.burst())).toBe(1);
  });

  it('does not sleep over a packet that came before', async () => {
    using port = wiredPort();
    port.deliver(frameOf(60));
    expect(await settled(port.untilPackets())).toBe(true);
  });

  it('wakes for whichever queue pair it waits for', async () => {
    using port = wiredPort({}, 3);
    const waiting = port.untilPackets({ queues: [0, 2] });
    for (const pair of [1, 2]) {
      const wire = port.wires[pair];
      wire.deliver(frameOf(60));
      expect(wire.receiveq.callNeeded()).toBe(pair === 2);
      if (pair === 2) wire.rxCall.signal();
    }
    await waiting;
    expect(port.rx[2].receive(port.burst())).toBe(1);
  });

  it('leaves the device silent again', async () => {
    using port = wiredPort();
    const waiting = port.untilPackets();
    port.deliver(frameOf(60));
    await waiting;
    const [wire] = port.wires;
    wire.deliver(frameOf(60));
    expect(wire.receiveq.callNeeded()).toBe(false);
  });

  it('wakes when the signal aborts', async () => {
    using port = wiredPort();
    const stop = new AbortController();
    const waiting = port.untilPackets({ signal: stop.signal });
    expect(await settled(waiting)).toBe(false);
    stop.abort();
    expect(await settled(waiting)).toBe(true);
  });

  it('wakes when the link goes down', async () => {
    using port = wiredPort();
    const waiting = port.untilPackets();
    port.setLink({ up: false });
    expect(await settled(waiting)).toBe(true);
  });

  it('refuses a queue pair the port does not have', async () => {
    using port = wiredPort();
    await expect(port.untilPackets({ queues: [1] })).rejects.toThrow(RangeError);
  });
});
