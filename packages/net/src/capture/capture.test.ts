import { describe, expect, it } from 'vitest';
import { turns } from '@vio/test-support';
import { sendFrames } from '../test-support/tagged-frames.ts';
import { readPcap } from '../pcap/pcap.ts';
import { wiredPort } from '../test-support/wired-port.ts';
import { frameOf } from '../test-support/wire.ts';
import type { Capture } from './capture.ts';

/** Everything a capture has, once it is stopped. */
async function bytesOf(capture: Capture): Promise<Uint8Array> {
  capture.stop();
  const chunks: Uint8Array[] = [];
  for await (const chunk of capture) chunks.push(chunk);
  return Uint8Array.from(Buffer.concat(chunks));
}

async function framesOf(capture: Capture): Promise<Uint8Array[]> {
  return readPcap(await bytesOf(capture)).packets.map(({ bytes }) => bytes);
}

function receive(port: ReturnType<typeof wiredPort>, ...frames: Uint8Array[]): void {
  for (const frame of frames) port.deliver(frame);
  const burst = port.burst();
  port.rx[0].receive(burst);
  burst.release();
}

describe('a capture', () => {
  it('has what was received and sent, in order, and nothing from before or after', async () => {
    using port = wiredPort();
    receive(port, frameOf(60, 1));
    const capture = port.capture();
    receive(port, frameOf(61, 2), frameOf(62, 3));
    sendFrames(port, [frameOf(63, 4)]);
    capture.stop();
    receive(port, frameOf(64, 5));
    expect(await framesOf(capture)).toEqual([frameOf(61, 2), frameOf(62, 3), frameOf(63, 4)]);
  });

  it.each([
    ['rx', 60],
    ['tx', 61],
  ] as const)('of direction %s has only that', async (direction, length) => {
    using port = wiredPort();
    const capture = port.capture({ direction });
    receive(port, frameOf(60));
    sendFrames(port, [frameOf(61)]);
    expect(await framesOf(capture)).toEqual([frameOf(length)]);
  });

  it('of one queue pair has only that', async () => {
    using port = wiredPort({}, 2);
    const capture = port.capture({ queue: 1 });
    receive(port, frameOf(60));
    port.wires[1].deliver(frameOf(61));
    const burst = port.burst();
    port.rx[1].receive(burst);
    expect(await framesOf(capture)).toEqual([frameOf(61)]);
  });

  it('has packets of several buffers whole', async () => {
    using port = wiredPort();
    const capture = port.capture();
    receive(port, frameOf(900));
    sendFrames(port, [frameOf(901)]);
    expect(await framesOf(capture)).toEqual([frameOf(900), frameOf(901)]);
  });

  it('cuts packets to the snaplen, and says how long they were', async () => {
    using port = wiredPort();
    const capture = port.capture({ snaplen: 300 });
    receive(port, frameOf(60), frameOf(900));
    const { packets } = readPcap(await bytesOf(capture));
    expect(packets.map(({ wireLength, bytes }) => [wireLength, bytes])).toEqual([
      [60, frameOf(60)],
      [900, frameOf(900).subarray(0, 300)],
    ]);
  });

  it('does not have packets the ring had no room for', async () => {
    using port = wiredPort();
    const capture = port.capture();
    const { size } = port.tx[0].queue;
    sendFrames(
      port,
      Array.from({ length: size + 1 }, () => frameOf(60)),
    );
    expect((await framesOf(capture)).length).toBe(size);
  });

  it('has the times of day', async () => {
    using port = wiredPort();
    const before = Math.floor(Date.now() / 1000);
    const capture = port.capture();
    receive(port, frameOf(60));
    const { seconds, nanoseconds } = readPcap(await bytesOf(capture)).packets[0];
    expect(seconds - before).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000) - before);
    expect(seconds).toBeGreaterThanOrEqual(before - 1);
    expect(nanoseconds).toBeLessThan(1e9);
  });

  it('can be read while it goes on', async () => {
    using port = wiredPort();
    using capture = port.capture();
    const reader = capture[Symbol.asyncIterator]();
    await reader.next();
    const next = reader.next();
    await turns(3);
    receive(port, frameOf(60));
    expect((await next).value).toHaveLength(16 + 60);
  });

  it('drops and counts what nobody reads, and goes on when somebody does', async () => {
    using port = wiredPort();
    const capture = port.capture({ buffer: 3 * (16 + 60) });
    const reader = capture[Symbol.asyncIterator]();
    await reader.next();
    for (let i = 0; i < 5; i++) receive(port, frameOf(60, i));
    expect([capture.captured, capture.dropped]).toEqual([3, 2]);
    await reader.next();
    receive(port, frameOf(60, 9));
    expect([capture.captured, capture.dropped]).toEqual([4, 2]);
    expect(port.stats()).toMatchObject({ rx_q0_good_packets: 6 });
  });

  it('is over when its signal aborts', async () => {
    using port = wiredPort();
    const over = new AbortController();
    const capture = port.capture({ signal: over.signal });
    over.abort();
    receive(port, frameOf(60));
    expect(await framesOf(capture)).toEqual([]);
  });

  it('is over when its reader stops reading', async () => {
    using port = wiredPort();
    const capture = port.capture();
    for await (const chunk of capture) if (chunk.length > 0) break;
    receive(port, frameOf(60));
    expect(capture.captured).toBe(0);
  });

  it('does not disturb another', async () => {
    using port = wiredPort();
    const [first, second] = [port.capture(), port.capture()];
    receive(port, frameOf(60));
    first.stop();
    receive(port, frameOf(61));
    expect([await framesOf(first), await framesOf(second)]).toEqual([
      [frameOf(60)],
      [frameOf(60), frameOf(61)],
    ]);
  });

  it.each([{ snaplen: 0 }, { snaplen: 262_145 }, { buffer: 0 }, { queue: 1 }])('refuses %j', (options) => {
    using port = wiredPort();
    expect(() => port.capture(options)).toThrow(RangeError);
  });
});

describe('a capture as pcapng', () => {
  /** Type and length of every block. */
  function blocks(file: Uint8Array): { type: number; view: DataView }[] {
    const view = new DataView(file.buffer);
    const found: { type: number; view: DataView }[] = [];
    for (let at = 0; at < file.length;) {
      const bytes = view.getUint32(at + 4, true);
      if (bytes < 12 || view.getUint32(at + bytes - 4, true) !== bytes) throw new Error(`no block at ${at}`);
      found.push({ type: view.getUint32(at, true), view: new DataView(file.buffer, at, bytes) });
      at += bytes;
    }
    return found;
  }

  it('names each queue, and tells queue and direction of every packet', async () => {
    using port = wiredPort();
    const capture = port.capture({ format: 'pcapng' });
    receive(port, frameOf(60));
    sendFrames(port, [frameOf(61)]);
    const all = blocks(await bytesOf(capture));
    expect(all.map(({ type }) => type)).toEqual([0x0a0d0d0a, 1, 1, 6, 6, 5, 5]);
    const packets = all
      .filter(({ type }) => type === 6)
      .map(({ view }) => [
        view.getUint32(8, true),
        view.getUint32(20, true),
        view.getUint32(view.byteLength - 12, true),
      ]);
    expect(packets).toEqual([
      [0, 60, 1],
      [1, 61, 2],
    ]);
  });

  it('says at the end how many packets are missing of each queue', async () => {
    using port = wiredPort();
    const capture = port.capture({ format: 'pcapng', buffer: 1 });
    receive(port, frameOf(60), frameOf(61));
    const missing = blocks(await bytesOf(capture))
      .filter(({ type }) => type === 5)
      .map(({ view }) => Number(view.getBigUint64(24, true)));
    expect(missing).toEqual([2, 0]);
  });
});
