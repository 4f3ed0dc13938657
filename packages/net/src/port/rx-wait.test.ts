import { readSync } from 'node:fs';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED } from '@vio/rings';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { turns, until } from '@vio/test-support';
import { frameOf, modern } from '../test-support/wire.ts';
import { wiredPort } from '../test-support/wired-port.ts';

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

  it('supplies first what came back to the pool: a device without buffers would deliver nothing', async () => {
    using port = wiredPort({ size: 8, buffers: 8 });
    for (let i = 0; i < 8; i++) port.deliver(frameOf(60, i));
    const burst = port.burst();
    port.rx[0].receive(burst);
    burst.release();
    const waiting = port.untilPackets();
    port.deliver(frameOf(60));
    await waiting;
    expect(port.rx[0].receive(burst)).toBe(1);
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

  it('wakes all who wait at one time, whatever they wait for', async () => {
    using port = wiredPort({}, 2);
    const stop = new AbortController();
    const waiting = [
      port.untilPackets(),
      port.untilPackets(),
      port.untilPackets({ queues: [1] }),
      port.untilPackets({ signal: stop.signal }),
    ];
    const [, wire] = port.wires;
    wire.deliver(frameOf(60));
    wire.rxCall.signal();
    await Promise.all(waiting);
    expect(port.rx[1].receive(port.burst())).toBe(1);
  });

  it('wakes again and again, and hears of packets between two sleeps without one', async () => {
    using port = wiredPort();
    const burst = port.burst();
    for (let i = 0; i < 3; i++) {
      const waiting = port.untilPackets();
      // Of an interrupt between two sleeps, a thread that watches may tell during the second.
      expect(i === 0 && (await settled(waiting))).toBe(false);
      port.deliver(frameOf(60));
      await waiting;
      burst.release(port.rx[0].receive(burst));
      port.deliver(frameOf(60));
      port.wires[0].rxCall.signal();
      await turns(5);
      expect(await settled(port.untilPackets())).toBe(true);
      burst.release(port.rx[0].receive(burst));
    }
  });

  it('counts each interrupt once, whether it sleeps again or not', async () => {
    using port = wiredPort();
    const [{ rxCall }] = port.wires;
    for (let i = 1; i <= 3; i++) {
      const waiting = port.untilPackets();
      rxCall.signal();
      await waiting;
      await turns(20);
      expect([port.rx[0].stats.get('calls'), rxCall.drain()]).toEqual([i, false]);
    }
    rxCall.signal();
    await until(() => port.rx[0].stats.get('calls') === 4);
    expect(rxCall.drain()).toBe(false);
  });

  it('does not sleep over an interrupt that comes before the one before was taken', async () => {
    using port = wiredPort();
    const [{ rxCall }] = port.wires;
    const burst = port.burst();
    const waiting = port.untilPackets();
    port.deliver(frameOf(60));
    await waiting;
    burst.release(port.rx[0].receive(burst));
    // In the same turn, before anything else runs.
    const again = port.untilPackets();
    port.deliver(frameOf(60));
    await again;
    await turns(1);
    expect([port.rx[0].receive(burst), rxCall.drain()]).toEqual([1, false]);
  });

  it('tells whoever listens besides of each interrupt once', async () => {
    using port = wiredPort();
    let heard = 0;
    await settled(port.untilPackets({ signal: AbortSignal.abort() }));
    const first = port.untilPackets();
    const end = port.rxInterrupt(0).onSignal(() => heard++);
    for (let i = 1; i <= 2; i++) {
      port.wires[0].rxCall.signal();
      await until(() => heard === i);
    }
    await turns(20);
    end();
    await first;
    expect([heard, port.rx[0].stats.get('calls')]).toEqual([2, 2]);
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

describe('untilPacketsSync', () => {
  it('says that time is over when nothing comes', () => {
    using port = wiredPort();
    expect(port.untilPacketsSync({ timeout: 1 })).toBe(false);
  });

  it('does not sleep over a packet that came before', () => {
    using port = wiredPort();
    port.deliver(frameOf(60));
    expect(port.untilPacketsSync()).toBe(true);
  });

  it('wakes for an interrupt of whichever queue pair it waits for, and takes it before it waits again', () => {
    using port = wiredPort({}, 3);
    port.wires[2].rxCall.signal();
    expect([
      port.untilPacketsSync(),
      port.untilPacketsSync({ timeout: 1 }),
      port.wires[2].rxCall.drain(),
    ]).toEqual([true, false, false]);
  });

  it('leaves nothing of an interrupt for whoever listens on the event loop, or looks at the eventfd', async () => {
    using port = wiredPort();
    const interrupt = port.rxInterrupt(0);
    let heard = 0;
    const end = interrupt.onSignal(() => heard++);
    for (let i = 0; i < 2; i++) {
      port.wires[0].rxCall.signal();
      port.untilPacketsSync();
      await turns(20);
    }
    end();
    expect([heard, port.rx[0].stats.get('calls'), interrupt.fd > 0]).toEqual([0, 2, true]);
    port.wires[0].rxCall.signal();
    expect([port.untilPacketsSync(), port.wires[0].rxCall.drain()]).toEqual([true, false]);
  });

  it('leaves nothing for whoever begins to listen later', async () => {
    using port = wiredPort();
    port.wires[0].rxCall.signal();
    port.untilPacketsSync();
    let heard = 0;
    port.rxInterrupt(0).onSignal(() => heard++);
    expect([await settled(port.untilPackets()), heard, port.rx[0].stats.get('calls')]).toEqual([false, 0, 1]);
  });

  it('leaves nothing for whoever asks for the eventfd later, and does not have him block when he reads it', () => {
    using port = wiredPort();
    for (let i = 0; i < 2; i++) {
      port.wires[0].rxCall.signal();
      port.untilPacketsSync();
      const { fd } = port.rxInterrupt(0);
      expect(() => readSync(fd, new Uint8Array(8))).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
    }
  });

  it('wakes again and again, for one queue pair and for all in turn', () => {
    using port = wiredPort({}, 2);
    const woken = [0, 1, 0, 1].map((pair) => {
      port.wires[pair].rxCall.signal();
      return port.untilPacketsSync(pair === 0 ? { queues: [0], timeout: 5000 } : { timeout: 5000 });
    });
    expect([woken, port.untilPacketsSync({ timeout: 1 }), port.rx[0].stats.get('calls')]).toEqual([
      [true, true, true, true],
      false,
      2,
    ]);
  });

  it('takes what was enabled after it for what it is', () => {
    using port = wiredPort();
    port.wires[0].rxCall.signal();
    port.untilPacketsSync();
    const interrupt = port.rxInterrupt(0);
    interrupt.enable();
    port.wires[0].rxCall.signal();
    expect([interrupt.fd > 0, port.wires[0].rxCall.drain()]).toEqual([true, true]);
  });

  it('leaves an interrupt alone that it does not wait for', () => {
    using port = wiredPort({}, 2);
    port.wires[1].rxCall.signal();
    expect([port.untilPacketsSync({ queues: [0], timeout: 1 }), port.wires[1].rxCall.drain()]).toEqual([
      false,
      true,
    ]);
  });

  it('leaves the device silent again', () => {
    using port = wiredPort();
    port.untilPacketsSync({ timeout: 1 });
    port.wires[0].deliver(frameOf(60));
    expect(port.wires[0].receiveq.callNeeded()).toBe(false);
  });

  it('counts the interrupt that woke it', () => {
    using port = wiredPort();
    port.wires[0].rxCall.signal();
    port.untilPacketsSync();
    expect(port.rx[0].stats.get('calls')).toBe(1);
  });

  it('refuses a queue pair the port does not have', () => {
    using port = wiredPort();
    expect(() => port.untilPacketsSync({ queues: [1] })).toThrow(RangeError);
  });

  it('refuses to wait on a port where nothing passes any more', () => {
    using port = wiredPort();
    port.close();
    expect(() => port.untilPacketsSync()).toThrow(expect.objectContaining({ code: 'VIO_LINK_DOWN' }));
  });
});

/**
 * The race that loses wake-ups: a packet that comes while interrupts are being switched on. Switching them on is one
 * store and one load, so there are three moments.
 */
describe.each([
  ['split', modern],
  ['split with event indexes', modern | VIRTIO_F_EVENT_IDX],
  ['packed', modern | VIRTIO_F_RING_PACKED],
  ['packed with event indexes', modern | VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX],
])('a packet on a %s ring that comes while untilPackets falls asleep', (_, features) => {
  afterEach(() => vi.restoreAllMocks());

  const moments: Record<string, (deliver: () => void) => void> = {
    'before the device is asked for interrupts': (deliver) => {
      const { store } = Atomics;
      vi.spyOn(Atomics, 'store').mockImplementationOnce(((array: Uint16Array, at: number, value: number) => {
        deliver();
        return store(array, at, value);
      }) as typeof Atomics.store);
    },
    'after that, and before the ring is looked at again': (deliver) => {
      const { store } = Atomics;
      vi.spyOn(Atomics, 'store').mockImplementationOnce(((array: Uint16Array, at: number, value: number) => {
        store(array, at, value);
        deliver();
        return value;
      }) as typeof Atomics.store);
    },
    'after the ring was looked at again': (deliver) => {
      const { load } = Atomics;
      vi.spyOn(Atomics, 'load').mockImplementationOnce(((array: Uint16Array, at: number) => {
        const value = load(array, at);
        deliver();
        return value;
      }) as typeof Atomics.load);
    },
  };

  it.each(Object.keys(moments))('%s is not slept over by untilPacketsSync either', (moment) => {
    using port = wiredPort({ features });
    moments[moment](() => port.deliver(frameOf(60)));
    expect(port.untilPacketsSync({ timeout: 5000 })).toBe(true);
    expect(port.rx[0].receive(port.burst())).toBe(1);
  });

  it.each(Object.keys(moments))('%s is not slept over', async (moment) => {
    using port = wiredPort({ features });
    let delivered = false;
    moments[moment](() => {
      delivered = true;
      port.deliver(frameOf(60));
    });
    await port.untilPackets();
    expect(delivered).toBe(true);
    expect(port.rx[0].receive(port.burst())).toBe(1);
  });
});
