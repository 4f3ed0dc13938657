import { createHash } from 'node:crypto';
import type { CopyEngine } from '@vio/native/internal';
import { QueueStats } from '@vio/net';
import type { RingFormat } from '@vio/rings';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { base, engines, fill, numbers, setUpSingles } from '../../test-support/singles-setup.ts';
import { StubEngine } from '../../testing/stub-engine.ts';
import { AsyncQueue } from './async-queue.ts';
import { configuredDma, dmaConfigure, dmaUnconfigure } from './dma-configure.ts';
import { NativeNotes } from './native-notes.ts';
import { numberAfter } from './transfers.ts';

const formats: readonly RingFormat[] = ['split', 'packed'];
const header = 12;

interface Options {
  readonly receives: boolean;
  readonly mergeable?: boolean;
  readonly descriptors?: number;
  /** Descriptors of the ring; default 32. */
  readonly size?: number;
  /** One that is configured already. */
  readonly shared?: StubEngine;
}

/** A channel over a ring whose driver plays what a test says, by an engine that copies when it is asked. */
function setUp(engine: () => CopyEngine, format: RingFormat, options: Options) {
  const { receives, mergeable = false, descriptors = 64, size = 32, shared } = options;
  const parts = setUpSingles(engine, format, { size, buffers: 64, writable: receives, mergeable });
  const { queue, copier, memory, driver } = parts;
  const stub = shared ?? new StubEngine();
  if (shared === undefined) dmaConfigure(stub, { descriptors });
  const { transfers } = configuredDma(stub);
  const channel = new AsyncQueue(receives ? 0 : 1, configuredDma(stub), true);
  const stats = new QueueStats();
  channel.start({
    queue,
    copier,
    memory,
    header,
    mergeable,
    stats,
    codec: undefined,
    dequeue: {},
    call() {},
  });
  let described = 0;
  return {
    ...parts,
    stub,
    channel,
    stats,
    /** The copies of each descriptor that the engine was given since the last call. */
    given(): number[][] {
      const all: number[][] = [];
      for (; described < stub.taken; described++)
        all.push(
          Array.from({ length: transfers.copyCount(described) }, (_, i) =>
            transfers.length(numberAfter(transfers.firstCopy(described), i)),
          ),
        );
      return all;
    },
    /** Everything comes back. */
    finish(): number {
      channel.poll();
      let n = 0;
      for (let more = -1; more !== 0; n += more) {
        more = receives ? channel.reportSent(parts.burst, 32) : channel.reportTaken(parts.burst, 32);
        parts.burst.release();
      }
      return n;
    },
    end(): void {
      channel.stop();
      channel.end();
      if (shared === undefined) dmaUnconfigure(stub);
    },
    /** All that the driver can see. */
    seen: () => [driver.used(), createHash('sha1').update(memory.windows[0].region.u8).digest('hex')],
  };
}

afterEach(() => vi.restoreAllMocks());

describe.each(formats)('%s', (format) => {
  it.each(engines)('are noted by a kernel, where there is one (%s)', (where, engine) => {
    const put = vi.spyOn(NativeNotes.prototype, 'put');
    const take = vi.spyOn(NativeNotes.prototype, 'take');
    const receiving = setUp(engine, format, { receives: true });
    receiving.driver.expose([{ address: base + 0x4000, length: 112, writable: true }]);
    fill(receiving.pool, receiving.burst, [numbers(60)]);
    expect(receiving.channel.submit(receiving.pool, receiving.burst, 0, 1)).toBe(1);
    const sending = setUp(engine, format, { receives: false });
    sending.driver.expose([{ address: base + 0x4000, length: 80 }]);
    for (let i = 0; i < 2; i++) {
      sending.channel.fetch(sending.pool, sending.burst, 8);
      expect(sending.finish()).toBe(1);
      sending.driver.used();
      sending.driver.expose([{ address: base + 0x4000, length: 80 }]);
    }
    const native = where === 'in C++';
    expect([put.mock.calls.length > 0, take.mock.results.map(({ value }): unknown => value)]).toEqual([
      native,
      native ? [1, 1] : [],
    ]);
    receiving.finish();
    receiving.end();
    sending.end();
  });

  it.each(engines)('are made by this thread where the engine has no room for them (%s)', (_, engine) => {
    const receiving = setUp(engine, format, { receives: true, mergeable: true, size: 256 });
    const { pool, burst, channel, driver, stub } = receiving;
    // Each packet in seven buffers that do not touch each other: as many copies as there is room for.
    for (let i = 0; i < 7 * 32; i++)
      driver.expose([{ address: base + 0x4000 + 64 * i, length: 32, writable: true }]);
    fill(
      pool,
      burst,
      Array.from({ length: 32 }, () => numbers(7 * 32 - header)),
    );
    expect([channel.submit(pool, burst, 0, 32), receiving.given().flat().length]).toEqual([32, 256]);
    const sending = setUp(engine, format, { receives: false, shared: stub });
    sending.driver.expose([{ address: base + 0x4000, length: 80 }]);
    sending.channel.fetch(sending.pool, sending.burst, 8);
    expect([stub.taken, sending.finish()]).toEqual([32, 1]);
    sending.end();
    expect(receiving.finish()).toBe(32);
    receiving.end();
  });

  it.each(engines)('are one copy where buffers lie side by side, and several where not (%s)', (_, engine) => {
    const side = setUp(engine, format, { receives: true, mergeable: true });
    const { pool, burst, channel, driver } = side;
    const submit = (...addresses: number[]): number[] => {
      for (const address of addresses) driver.expose([{ address, length: 32, writable: true }]);
      fill(pool, burst, [numbers(60)]);
      expect([channel.submit(pool, burst, 0, 1), side.finish()]).toEqual([1, 1]);
      return side.given().flat();
    };
    // How long buffers are is seen once.
    submit(base + 0x4000, base + 0x4020, base + 0x4040);
    const [together, apart] = [
      submit(base + 0x4000, base + 0x4020, base + 0x4040),
      submit(base + 0x4100, base + 0x4121, base + 0x4141),
    ];
    expect([together, apart]).toEqual([
      [header, 60],
      [header, 20, 40],
    ]);
    expect(driver.used().map(({ length }) => length)).toEqual([32, 32, 8, 32, 32, 8, 32, 32, 8]);
    side.end();
  });

  it('arrive alike by both, whatever buffers a driver gives', () => {
    const gap = fc.constantFrom(0, 0, 1, 7);
    const buffer = fc.record({
      gap,
      length: fc.integer({ min: 1, max: 150 }),
      odd: fc.constantFrom(0, 0, 0, 0, 0, 1),
    });
    const round = fc.record({
      buffers: fc.array(buffer, { maxLength: 16 }),
      packets: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 12 }),
    });
    const rounds = fc.array(round, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), rounds, (receives, mergeable, all) => {
        const sides = engines.map(([, engine]) => setUp(engine, format, { receives, mergeable }));
        for (const { buffers, packets } of all) {
          const results = sides.map((side) => {
            let address = base + 0x3000;
            for (const { gap: apart, length, odd } of buffers) {
              if (side.driver.free === 0) break;
              side.driver.expose([{ address: address + apart, length, writable: receives !== (odd === 1) }]);
              address += apart + length;
            }
            const { pool, burst, channel } = side;
            let submitted = 0;
            if (receives) {
              fill(
                pool,
                burst,
                packets.map((length, i) => numbers(length, i)),
              );
              const { count } = burst;
              submitted = channel.submit(pool, burst, 0, count);
              burst.release(submitted);
            } else channel.fetch(pool, burst, packets.length);
            return [submitted, side.finish(), side.queue.broken?.code, side.seen()];
          });
          expect(results[0]).toEqual(results[1]);
        }
        for (const side of sides) side.end();
      }),
      { numRuns: 60 },
    );
  });
});
