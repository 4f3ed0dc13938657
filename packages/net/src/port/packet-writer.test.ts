import { VioError } from '@vio/native';
import { describe, expect, it } from 'vitest';
import { codeOf, turns } from '@vio/test-support';
import { frameOf, framesOf } from '../test-support/wire.ts';
import { type WiredPort, wiredPort } from '../test-support/wired-port.ts';

describe('send', () => {
  it.each([1, 60, 256, 257, 1500, 2048])('brings a frame of %i bytes to the device', async (bytes) => {
    using port = wiredPort();
    await port.send(frameOf(bytes));
    expect(port.wires[0].take().map(({ frame }) => frame)).toEqual([frameOf(bytes)]);
  });

  it('brings the largest frame, 9728 bytes', async () => {
    using port = wiredPort({ size: 64, buffers: 128 });
    await port.send(frameOf(9728));
    expect(port.wires[0].take().map(({ frame }) => frame)).toEqual([frameOf(9728)]);
  });

  it('brings a frame to the queue pair it is told', async () => {
    using port = wiredPort({}, 2);
    await port.send(frameOf(60), { queue: 1 });
    expect(port.wires.map((wire) => wire.take().length)).toEqual([0, 1]);
  });

  it('fails on a queue pair that the device does not use, the frames that wait there, too', async () => {
    using port = wiredPort({ size: 8 }, 2);
    for (const frame of framesOf(8)) await port.send(frame, { queue: 1 });
    const waiting = port.send(frameOf(60), { queue: 1 });
    port.tx[1].hold();
    expect([await codeOf(waiting), await codeOf(port.send(frameOf(60), { queue: 1 }))]).toEqual([
      'VIO_QUEUE_NOT_IN_USE',
      'VIO_QUEUE_NOT_IN_USE',
    ]);
  });

  it('has copied the frame when it resolves', async () => {
    using port = wiredPort();
    const bytes = frameOf(60);
    await port.send(bytes);
    bytes.fill(0);
    expect(port.wires[0].take()[0].frame).toEqual(frameOf(60));
  });

  it.each([0, 9729])('refuses a frame of %i bytes', async (bytes) => {
    using port = wiredPort();
    expect(await codeOf(port.send(new Uint8Array(bytes)))).toBe('VIO_FRAME_SIZE');
  });

  it('refuses a frame that not even an empty ring takes', async () => {
    using port = wiredPort({ size: 4 });
    expect(await codeOf(port.send(frameOf(5 * 256)))).toBe('VIO_FRAME_SIZE');
  });

  it('refuses a frame that not even the whole pool holds', async () => {
    using port = wiredPort({ size: 64, buffers: 8 });
    expect(await codeOf(port.send(frameOf(9 * 256)))).toBe('VIO_FRAME_SIZE');
  });

  it('leaves no buffer behind when it refuses a frame', async () => {
    using port = wiredPort({ size: 4 });
    await codeOf(port.send(frameOf(5 * 256)));
    expect(port.pool.free + port.rx[0].queue.outstanding).toBe(port.pool.count);
  });

  it('waits while the ring is full', async () => {
    using port = wiredPort();
    const [wire] = port.wires;
    let sent = 0;
    const all = Promise.all(framesOf(12).map((frame) => port.send(frame).then(() => sent++)));
    await turns(5);
    const before = sent;
    const first = wire.take();
    await all;
    expect([before, [...first, ...wire.take()].map(({ frame }) => frame)]).toEqual([8, framesOf(12)]);
  });

  it('waits while the pool is empty', async () => {
    using port = wiredPort();
    const kept = new Int32Array(port.pool.count);
    const count = port.pool.alloc(kept, 0, kept.length);
    const sending = port.send(frameOf(60));
    await turns(5);
    const before = port.wires[0].take().length;
    port.pool.release(kept, 0, count);
    await sending;
    expect([before, port.wires[0].take().length]).toEqual([0, 1]);
  });

  it('keeps the order of the calls, short and long frames mixed', async () => {
    using port = wiredPort();
    const frames = [60, 1000, 61, 700, 62].map((bytes, i) => frameOf(bytes, i));
    const all = Promise.all(frames.map((frame) => port.send(frame)));
    const taken: Uint8Array[] = [];
    while (taken.length < frames.length) {
      taken.push(...port.wires[0].take().map(({ frame }) => frame));
      await turns(1);
    }
    await all;
    expect(taken).toEqual(frames);
  });

  it('gives up at its timeout, even while other frames wait before it', async () => {
    using port = wiredPort();
    for (const frame of framesOf(8)) await port.send(frame);
    const patient = port.send(frameOf(60, 8));
    expect(await codeOf(port.send(frameOf(60, 9), { timeout: 5 }))).toBe('VIO_TIMEOUT');
    port.wires[0].take();
    await patient;
  });

  it('sends nothing for a call that gave up', async () => {
    using port = wiredPort();
    for (const frame of framesOf(8)) await port.send(frame);
    await codeOf(port.send(frameOf(60, 9), { timeout: 1 }));
    port.wires[0].take();
    await port.send(frameOf(61, 10));
    expect(port.wires[0].take().map(({ frame }) => frame)).toEqual([frameOf(61, 10)]);
  });

  it('gives up when its signal aborts', async () => {
    using port = wiredPort();
    for (const frame of framesOf(8)) await port.send(frame);
    const controller = new AbortController();
    const sending = codeOf(port.send(frameOf(60), { signal: controller.signal }));
    controller.abort();
    expect(await sending).toBe('VIO_ABORTED');
  });

  it('sends nothing when its signal has aborted before', async () => {
    using port = wiredPort();
    const code = await codeOf(port.send(frameOf(60), { signal: AbortSignal.abort() }));
    expect([code, port.wires[0].take().length]).toEqual(['VIO_ABORTED', 0]);
  });

  it('fails while the link is down, with the reason as its cause', async () => {
    using port = wiredPort();
    const reason = new VioError('gone', { code: 'VIO_TEST', remedy: 'none' });
    port.setLink({ up: false, reason });
    await expect(port.send(frameOf(60))).rejects.toMatchObject({ code: 'VIO_LINK_DOWN', cause: reason });
  });

  it('sends while the link is down without a reason: it is the device that has no carrier', async () => {
    using port = wiredPort();
    port.setLink({ up: false });
    await port.send(frameOf(60));
    expect(port.wires[0].take()).toHaveLength(1);
  });

  it('fails when the link goes down while it waits', async () => {
    using port = wiredPort();
    for (const frame of framesOf(8)) await port.send(frame);
    const sending = codeOf(port.send(frameOf(60)));
    port.close();
    expect(await sending).toBe('VIO_LINK_DOWN');
  });

  it('fails when the queue breaks while it waits', async () => {
    using port = wiredPort();
    for (const frame of framesOf(8)) await port.send(frame);
    const sending = codeOf(port.send(frameOf(60)));
    port.wires[0].corrupt(port.tx[0].queue);
    expect(await sending).toBe('VIO_QUEUE_BROKEN');
  });
});

describe('sendMany', () => {
  it('sends frames in order, short and long mixed, more than the ring takes', async () => {
    using port = wiredPort();
    const frames = Array.from({ length: 100 }, (_, i) => frameOf(i % 7 === 0 ? 1000 : 60 + i, i));
    const taken: Uint8Array[] = [];
    const all = port.sendMany(frames);
    while (taken.length < frames.length) {
      taken.push(...port.wires[0].take().map(({ frame }) => frame));
      await turns(1);
    }
    await all;
    expect(taken).toEqual(frames);
  });

  it('resolves with no frames at all', async () => {
    using port = wiredPort();
    await port.sendMany([]);
    expect(port.wires[0].take()).toEqual([]);
  });

  it('sends nothing when one of the frames can never be sent', async () => {
    using port = wiredPort();
    const code = await codeOf(port.sendMany([frameOf(60), new Uint8Array(0)]));
    expect([code, port.wires[0].take().length]).toEqual(['VIO_FRAME_SIZE', 0]);
  });

  it('keeps what has gone out, and sends no more, when its signal aborts', async () => {
    using port = wiredPort();
    const controller = new AbortController();
    const sending = codeOf(port.sendMany(framesOf(12), { signal: controller.signal }));
    controller.abort();
    const code = await sending;
    const before = port.wires[0].take().length;
    await turns(5);
    expect([code, before, port.wires[0].take().length]).toEqual(['VIO_ABORTED', 8, 0]);
  });

  it('keeps its buffers to itself no longer than it needs them', async () => {
    using port = wiredPort();
    await codeOf(port.sendMany(framesOf(12), { timeout: 1 }));
    port.wires[0].take();
    port.tx[0].reap();
    expect(port.pool.free + port.rx[0].queue.outstanding).toBe(port.pool.count);
  });
});

describe('trySend', () => {
  it.each([60, 1000])('sends a frame of %i bytes at once', (bytes) => {
    using port = wiredPort();
    expect([port.trySend(frameOf(bytes)), port.wires[0].take().map(({ frame }) => frame)]).toEqual([
      true,
      [frameOf(bytes)],
    ]);
  });

  it('says that there is no room on the ring, and finds it again', () => {
    using port = wiredPort();
    const [wire] = port.wires;
    const before = framesOf(9).map((frame) => port.trySend(frame));
    wire.take();
    expect([before.indexOf(false), port.trySend(frameOf(61))]).toEqual([8, true]);
  });

  it('says that the pool is empty, and takes nothing', () => {
    using port = wiredPort();
    const kept = new Int32Array(port.pool.count);
    port.pool.alloc(kept, 0, kept.length);
    expect([port.trySend(frameOf(60)), port.pool.free]).toEqual([false, 0]);
  });

  it('does not overtake frames that wait', async () => {
    using port = wiredPort();
    const [wire] = port.wires;
    for (const frame of framesOf(8)) await port.send(frame);
    const ninth = port.send(frameOf(60, 8));
    wire.take();
    const overtaken = port.trySend(frameOf(61));
    await ninth;
    expect([overtaken, wire.take().map(({ frame }) => frame)]).toEqual([false, [frameOf(60, 8)]]);
  });

  it.each([
    ['a frame of no bytes', 'VIO_FRAME_SIZE', (port: WiredPort) => port.trySend(new Uint8Array(0))],
    [
      'a frame that the ring never takes',
      'VIO_FRAME_SIZE',
      (port: WiredPort) => port.trySend(frameOf(9 * 256)),
    ],
    [
      'a queue pair that is not in use',
      'VIO_QUEUE_NOT_IN_USE',
      (port: WiredPort) => {
        port.tx[0].hold();
        return port.trySend(frameOf(60));
      },
    ],
    [
      'a port that is closed',
      'VIO_LINK_DOWN',
      (port: WiredPort) => {
        port.close();
        return port.trySend(frameOf(60));
      },
    ],
    [
      'a broken queue',
      'VIO_QUEUE_BROKEN',
      (port: WiredPort) => {
        port.trySend(frameOf(60));
        port.wires[0].corrupt(port.tx[0].queue);
        port.tx[0].reap();
        return port.trySend(frameOf(60));
      },
    ],
  ])('refuses %s', (_, code, attempt) => {
    using port = wiredPort({ size: 8 });
    expect(() => attempt(port)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses a queue pair that there is not', () => {
    using port = wiredPort();
    expect(() => port.trySend(frameOf(60), 1)).toThrow(RangeError);
  });
});

describe('a writable stream', () => {
  it('sends its chunks in order', async () => {
    using port = wiredPort();
    const writer = port.writable().getWriter();
    for (const frame of framesOf(3)) await writer.write(frame);
    await writer.close();
    expect(port.wires[0].take().map(({ frame }) => frame)).toEqual(framesOf(3));
  });

  it('holds its producer back while the ring is full', async () => {
    using port = wiredPort();
    const writer = port.writable().getWriter();
    for (const frame of framesOf(8)) await writer.write(frame);
    const ninth = writer.write(frameOf(60, 8));
    await turns(3);
    const wanted = writer.desiredSize;
    port.wires[0].take();
    await ninth;
    expect([wanted, writer.desiredSize]).toEqual([0, 1]);
  });

  it('gives up the frame that waits when it is aborted', async () => {
    using port = wiredPort();
    const writer = port.writable().getWriter();
    for (const frame of framesOf(8)) await writer.write(frame);
    const ninth = codeOf(writer.write(frameOf(60, 8)));
    await turns(1);
    await writer.abort('enough').catch(() => {});
    expect(await ninth).toBe('VIO_ABORTED');
  });

  it('gives up with the signal it was given', async () => {
    using port = wiredPort();
    const controller = new AbortController();
    const writer = port.writable({ signal: controller.signal }).getWriter();
    writer.closed.catch(() => {});
    for (const frame of framesOf(8)) await writer.write(frame);
    const ninth = codeOf(writer.write(frameOf(60, 8)));
    await turns(1);
    controller.abort();
    expect(await ninth).toBe('VIO_ABORTED');
  });

  it('fails with the error of the send', async () => {
    using port = wiredPort();
    const writer = port.writable().getWriter();
    writer.closed.catch(() => {});
    expect(await codeOf(writer.write(new Uint8Array(0)))).toBe('VIO_FRAME_SIZE');
  });
});
