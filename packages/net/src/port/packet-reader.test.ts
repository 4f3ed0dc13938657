import { describe, expect, it } from 'vitest';
import { codeOf, turns } from '@vio/test-support';
import { frameOf, framesOf } from '../test-support/wire.ts';
import { type WiredPort, gone, wiredPort } from '../test-support/wired-port.ts';

/** More turns than a reader polls before it sleeps. */
const untilAsleep = 100;

/** The next `count` frames of a reader that is ended after them. */
async function read(port: WiredPort, count: number): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for await (const frame of port.packets()) if (frames.push(frame) === count) break;
  return frames;
}

const owned = (port: WiredPort): number => port.pool.free + port.rx[0].queue.outstanding;

describe('packets', () => {
  it('gives the frames that are there, in order', async () => {
    using port = wiredPort();
    for (const frame of framesOf(5)) port.deliver(frame);
    expect(await read(port, 5)).toEqual(framesOf(5));
  });

  it('gives a frame of several buffers in one piece', async () => {
    using port = wiredPort();
    port.deliver(frameOf(1000));
    expect(await read(port, 1)).toEqual([frameOf(1000)]);
  });

  it('gives arrays of their own, and the buffers back to the pool', async () => {
    using port = wiredPort();
    port.deliver(frameOf(60));
    port.deliver(frameOf(1000));
    const [frame] = await read(port, 2);
    port.region.u8.fill(0);
    expect([frame, owned(port)]).toEqual([frameOf(60), port.pool.count]);
  });

  it('wakes from its sleep when the device interrupts', async () => {
    using port = wiredPort();
    const frames = port.packets();
    const next = frames.next();
    await turns(untilAsleep);
    port.deliver(frameOf(60));
    expect(await next).toEqual({ done: false, value: frameOf(60) });
    await frames.return();
  });

  it('sleeps through interrupts that bring nothing', async () => {
    using port = wiredPort();
    const frames = port.packets();
    const next = frames.next();
    for (let i = 0; i < 3; i++) {
      await turns(untilAsleep);
      port.wires[0].rxCall.signal();
    }
    await turns(untilAsleep);
    port.deliver(frameOf(60));
    expect(await next).toEqual({ done: false, value: frameOf(60) });
    await frames.return();
  });

  it('does not ask for interrupts while it is awake', async () => {
    using port = wiredPort();
    port.deliver(frameOf(60));
    await read(port, 1);
    port.wires[0].deliver(frameOf(61));
    expect(port.wires[0].receiveq.callNeeded()).toBe(false);
  });

  it('receives no more than it gave: a slow consumer holds the device back', async () => {
    using port = wiredPort();
    const frames = port.packets();
    port.deliver(frameOf(60));
    await frames.next();
    for (let i = 0; i < 7; i++) port.deliver(frameOf(60, i));
    await turns(untilAsleep);
    expect(port.rx[0].stats.get('good_packets')).toBe(1);
    await frames.return();
  });

  it.each([0, untilAsleep])('ends when its signal aborts, %i turns later', async (count) => {
    using port = wiredPort();
    const controller = new AbortController();
    const next = port.packets({ signal: controller.signal }).next();
    await turns(count);
    controller.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  it('ends at once with a signal that has aborted before', async () => {
    using port = wiredPort();
    port.deliver(frameOf(60));
    expect((await port.packets({ signal: AbortSignal.abort() }).next()).done).toBe(true);
  });

  it('gives nothing any more once its signal aborts between two frames', async () => {
    using port = wiredPort();
    const controller = new AbortController();
    for (const frame of framesOf(3)) port.deliver(frame);
    const frames = port.packets({ signal: controller.signal });
    await frames.next();
    controller.abort();
    expect((await frames.next()).done).toBe(true);
  });

  it('loses no buffer when it is left between two frames of a burst', async () => {
    using port = wiredPort();
    for (const frame of framesOf(5)) port.deliver(frame);
    await read(port, 1);
    expect(owned(port)).toBe(port.pool.count);
  });

  it.each([0, untilAsleep])('ends when the backend is gone, %i turns later', async (count) => {
    using port = wiredPort();
    const next = port.packets().next();
    await turns(count);
    port.setLink({ up: false, reason: gone });
    expect((await next).done).toBe(true);
  });

  it('goes on when a link that went down without a reason is up again', async () => {
    using port = wiredPort();
    const next = port.packets().next();
    await turns(untilAsleep);
    port.setLink({ up: false });
    await turns(untilAsleep);
    port.setLink({ up: true });
    port.deliver(frameOf(60));
    expect((await next).value).toEqual(frameOf(60));
  });

  it('gives what had arrived when the link went down', async () => {
    using port = wiredPort();
    port.deliver(frameOf(60));
    port.setLink({ up: false, reason: gone });
    const frames: Uint8Array[] = [];
    for await (const frame of port.packets()) frames.push(frame);
    expect(frames).toEqual([frameOf(60)]);
  });

  it.each([0, untilAsleep])('touches no memory of a port closed %i turns later', async (count) => {
    using port = wiredPort();
    const next = port.packets().next();
    await turns(count);
    port.close();
    // As the memory looks when it is gone.
    port.region.u8.fill(0);
    expect([await next, port.rx[0].broken]).toEqual([{ done: true, value: undefined }, undefined]);
  });

  it('fails when the device breaks the queue', async () => {
    using port = wiredPort();
    const next = codeOf(port.packets().next());
    port.wires[0].corrupt(port.rx[0].queue);
    expect(await next).toBe('VIO_QUEUE_BROKEN');
  });

  it('is for one at a time: a second reader would take frames from the first', async () => {
    using port = wiredPort();
    port.deliver(frameOf(60));
    const first = port.packets();
    await first.next();
    const second = await codeOf(port.packets().next());
    await first.return();
    port.deliver(frameOf(61));
    expect([second, await read(port, 1)]).toEqual(['VIO_QUEUE_BUSY', [frameOf(61)]]);
  });

  it('reads the pair it is told to', async () => {
    using port = wiredPort({}, 2);
    port.wires[1].deliver(frameOf(60, 1));
    const frames = port.packets({ queue: 1 });
    expect((await frames.next()).value).toEqual(frameOf(60, 1));
    await frames.return();
  });
});

describe('batches', () => {
  const copied = (batch: readonly Uint8Array[]): Uint8Array[] => batch.map((frame) => frame.slice());

  it('gives the frames of a burst together, in order', async () => {
    using port = wiredPort();
    for (const frame of framesOf(5)) port.deliver(frame);
    const batches = port.batches();
    const { value } = await batches.next();
    expect(copied(value ?? [])).toEqual(framesOf(5));
    await batches.return();
  });

  it('gives a frame of one buffer where it lies', async () => {
    using port = wiredPort();
    port.deliver(frameOf(60));
    const batches = port.batches();
    const { value } = await batches.next();
    expect(value?.[0].buffer).toBe(port.region.u8.buffer);
    await batches.return();
  });

  it('gives a frame of several buffers in one piece', async () => {
    using port = wiredPort();
    port.deliver(frameOf(1000));
    const batches = port.batches();
    expect((await batches.next()).value).toEqual([frameOf(1000)]);
    await batches.return();
  });

  it('gives frames of other lengths out of buffers that it knows', async () => {
    using port = wiredPort();
    const batches = port.batches();
    const got: Uint8Array[] = [];
    const sent = Array.from({ length: 64 }, (_, i) => frameOf(60 + (i % 3), i));
    for (const frame of sent) {
      port.deliver(frame);
      got.push(...copied((await batches.next()).value ?? []));
    }
    expect(got).toEqual(sent);
    await batches.return();
  });

  it('gives the buffers back when the next batch is asked for, and when it ends', async () => {
    using port = wiredPort();
    const batches = port.batches();
    port.deliver(frameOf(60));
    await batches.next();
    const held = port.pool.count - owned(port);
    port.deliver(frameOf(61));
    await batches.next();
    const heldNext = port.pool.count - owned(port);
    await batches.return();
    expect([held, heldNext, owned(port)]).toEqual([1, 1, port.pool.count]);
  });

  it('refuses to read what packets() reads', async () => {
    using port = wiredPort();
    const frames = port.packets();
    port.deliver(frameOf(60));
    await frames.next();
    expect(await codeOf(port.batches().next())).toBe('VIO_QUEUE_BUSY');
    await frames.return();
  });
});

describe('a device that never pauses', () => {
  it.each(['packets', 'batches'] as const)('lets timers run while %s is read', async (how) => {
    using port = wiredPort();
    let ticked = false;
    setTimeout(() => (ticked = true), 0);
    port.deliver(frameOf(60));
    let frames = 0;
    for await (const _ of port[how]()) {
      if (ticked || ++frames > 100_000) break;
      port.deliver(frameOf(60));
    }
    expect(ticked).toBe(true);
  });
});

describe('a readable stream', () => {
  it('gives frames and ends when the link goes down', async () => {
    using port = wiredPort();
    for (const frame of framesOf(3)) port.deliver(frame);
    const frames: Uint8Array[] = [];
    for await (const frame of port.readable())
      if (frames.push(frame) === 3) port.setLink({ up: false, reason: gone });
    expect(frames).toEqual(framesOf(3));
  });

  it('receives nothing before somebody reads', async () => {
    using port = wiredPort();
    port.deliver(frameOf(60));
    port.readable();
    await turns(5);
    expect(port.rx[0].stats.get('good_packets')).toBe(0);
  });

  it('can be cancelled while it waits for a frame', async () => {
    using port = wiredPort();
    const reader = port.readable().getReader();
    const next = reader.read();
    await turns(untilAsleep);
    await reader.cancel();
    expect((await next).done).toBe(true);
  });

  it('leaves the queue to the next reader when it is cancelled', async () => {
    using port = wiredPort();
    port.deliver(frameOf(60));
    const reader = port.readable().getReader();
    await reader.read();
    await reader.cancel();
    port.deliver(frameOf(61));
    expect(await read(port, 1)).toEqual([frameOf(61)]);
  });

  it('ends with the signal it was given', async () => {
    using port = wiredPort();
    const controller = new AbortController();
    const next = port.readable({ signal: controller.signal }).getReader().read();
    await turns(untilAsleep);
    controller.abort();
    expect((await next).done).toBe(true);
  });
});
