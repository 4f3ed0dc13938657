import assert from 'node:assert/strict';
import { readPcap } from '../pcap/pcap.ts';
import type { NetPort } from '../port/net-port.ts';
import {
  buffersAtRest,
  checkSame,
  rejectionCode,
  exchangeFrames,
  exchangeBursts,
  uniqueFrame,
  isOurs,
  nextOf,
  patience,
} from './exchange.ts';
import type { ComplianceRunner } from './runner.ts';

/** An open port, whose device sends back every frame it takes. */
export interface PortUnderTest {
  /** The port. */
  readonly port: NetPort;
  /** Closes the port, as its application would. */
  close(): void | Promise<void>;
  /** Gives back what is behind the port, after it was closed. */
  after?(): void | Promise<void>;
}

/** Opens a port; each test asks for one. */
export type PortFactory = () => PortUnderTest | Promise<PortUnderTest>;

/**
 * Declares the suite that every `NetPort` passes, whatever it is a port of: both ways to send and receive, order, statistics,
 * captures, waiting, streams, and its end.
 *
 * ```ts
 * import { describe, it } from 'vitest';
 * describePortCompliance('my port', async () => { ... }, { describe, it });
 * ```
 */
export function describePortCompliance(name: string, create: PortFactory, runner: ComplianceRunner): void {
  const { describe, it } = runner;
  const on = (body: (port: NetPort, under: PortUnderTest) => Promise<void>) => async () => {
    const under = await create();
    try {
      await body(under.port, under);
    } finally {
      await under.close();
      await under.after?.();
    }
  };
  const frames = (port: NetPort, count: number): Uint8Array[] =>
    Array.from({ length: count }, (_, i) => uniqueFrame(port, 60 + ((i * 131) % 1454)));

  describe(name, () => {
    it(
      'keeps the order of frames that are sent one after the other',
      on((port) => exchangeFrames(port, frames(port, 200))),
    );
    it(
      'brings frames that are sent many at a time, and gives them in batches where they lie',
      on(async (port) => {
        const sent = frames(port, 24);
        const batches = port.batches({ signal: AbortSignal.timeout(patience) });
        await port.sendMany(sent, { timeout: patience });
        const got: Uint8Array[] = [];
        for await (const batch of batches) {
          got.push(...batch.filter(isOurs).map((frame) => frame.slice()));
          if (got.length >= sent.length) break;
        }
        assert.equal(got.length, sent.length);
        for (const [i, frame] of sent.entries()) checkSame(got[i], frame);
      }),
    );
    it(
      'brings a frame that is sent without waiting',
      on(async (port) => {
        const frame = uniqueFrame(port, 60);
        const packets = port.packets({ signal: AbortSignal.timeout(patience) });
        assert.equal(port.trySend(frame), true);
        checkSame(await nextOf(packets), frame);
        await packets.return();
      }),
    );
    it(
      'gives every buffer back',
      on(async (port) => {
        const before = await buffersAtRest(port);
        for (let i = 0; i < 10; i++) await exchangeBursts(port, 0, frames(port, 16));
        assert.equal(await buffersAtRest(port), before);
      }),
    );
    it(
      'counts frames and bytes of both directions',
      on(async (port) => {
        const sent = frames(port, 10);
        const bytes = sent.reduce((sum, { length }) => sum + length, 0);
        const before = { ...port.stats() };
        await exchangeFrames(port, sent);
        const after = port.stats();
        const pair = Number(/\d+/.exec(Object.keys(after)[0] ?? '')?.[0] ?? 0);
        const grew = (counter: string): number => (after[counter] ?? 0) - (before[counter] ?? 0);
        assert.equal(grew(`tx_q${pair}_good_packets`), 10);
        assert.equal(grew(`tx_q${pair}_good_bytes`), bytes);
        assert.ok(grew(`rx_q${pair}_good_packets`) >= 10);
        assert.ok(grew(`rx_q${pair}_good_bytes`) >= bytes);
      }),
    );
    it(
      'refuses frames of a size that there is not, and queue pairs',
      on(async (port) => {
        for (const length of [0, 9729]) {
          assert.equal(await rejectionCode(port.send(new Uint8Array(length))), 'VIO_FRAME_SIZE');
        }
        await assert.rejects(port.send(new Uint8Array(60), { queue: 1000 }), RangeError);
        await exchangeFrames(port, frames(port, 1));
      }),
    );
    it(
      'has one reader for each queue pair, who ends when told to',
      on(async (port) => {
        const stop = new AbortController();
        const first = port.packets({ signal: stop.signal });
        const frame = uniqueFrame(port, 60);
        const next = nextOf(first);
        await port.send(frame);
        checkSame(await next, frame);
        assert.equal(await rejectionCode(port.packets().next()), 'VIO_QUEUE_BUSY');
        const ended = first.next();
        stop.abort();
        assert.equal((await ended).done, true);
        await exchangeFrames(port, frames(port, 1));
      }),
    );
    it(
      'wakes who waits for packets, and not for nothing',
      on(async (port) => {
        const signal = AbortSignal.timeout(5000);
        const burst = port.burst();
        const frame = uniqueFrame(port, 100);
        await port.send(frame);
        for (let found = false; !found;) {
          assert.ok(!signal.aborted, 'the frame came back');
          await port.untilPackets({ signal });
          port.rx[0].receive(burst);
          for (let i = 0; i < burst.count; i++) {
            const at = burst.offset[i];
            found ||= Buffer.from(port.region.u8.slice(at, at + burst.length[i])).equals(frame);
          }
          burst.release();
        }
      }),
    );
    it(
      'is read and written as streams',
      on(async (port) => {
        const [frame] = frames(port, 1);
        const writer = port.writable().getWriter();
        const reader = port.readable({ signal: AbortSignal.timeout(5000) }).getReader();
        await writer.write(frame);
        let got = await reader.read();
        while (got.value !== undefined && !isOurs(got.value)) got = await reader.read();
        assert.ok(got.value !== undefined, 'the frame came back');
        checkSame(got.value, frame);
        await reader.cancel();
        await writer.close();
      }),
    );
    it(
      'shows a capture what passes, both ways',
      on(async (port) => {
        const capture = port.capture();
        const sent = frames(port, 3);
        await exchangeFrames(port, sent);
        capture.stop();
        const parts: Uint8Array[] = [];
        for await (const bytes of capture) parts.push(bytes);
        const seen = readPcap(Buffer.concat(parts)).packets.map(({ bytes }) => Buffer.from(bytes));
        for (const frame of sent) {
          assert.equal(seen.filter((one) => one.equals(frame)).length, 2, 'once on each way');
        }
      }),
    );
    it(
      'says what is in its rings',
      on(async (port) => {
        const dumps = port.dumpRings();
        assert.equal(dumps.length, port.rx.length + port.tx.length);
        await exchangeFrames(port, frames(port, 1));
      }),
    );
    it(
      'ends for its readers and writers when it is closed, again and again',
      on(async (port, under) => {
        const links: boolean[] = [];
        port.on('link', ({ up }) => links.push(up));
        const reading = readToEnd(port);
        await under.close();
        await reading;
        assert.equal(port.closed, true);
        assert.deepEqual(links, [false]);
        assert.equal(await rejectionCode(port.send(new Uint8Array(60))), 'VIO_LINK_DOWN');
        await under.close();
      }),
    );
  });
}

/** Frames of others may come as well, where there are others on the wire. */
async function readToEnd(port: NetPort): Promise<void> {
  for await (const _ of port.packets());
}
