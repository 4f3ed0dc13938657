import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { freshMemory } from '../testing/guest-memory.ts';
import type { ScriptedBuffer, ScriptedChain } from '../testing/scripted-driver.ts';
import { ChainBurst } from './chain-burst.ts';
import { bytesOf, formats, setUp } from '../test-support/device-setup.ts';

const windows = [
  { guestAddress: 0xffff_8000, size: 0x8000 },
  { guestAddress: 0x1_0000_0000, size: 0x40 },
  { guestAddress: 0x1_0000_0040, size: 0x200 },
  { guestAddress: 0x7fff_0000_0000, size: 0x400 },
];
/** Spans of guest addresses without gaps, apart from the ring's and the heap's. */
const spans = [
  { start: 0xffff_f800, bytes: 0xa40 },
  { start: 0x7fff_0000_0000, bytes: 0x400 },
];

const buffers: fc.Arbitrary<ScriptedBuffer> = fc
  .record({ span: fc.constantFrom(...spans), at: fc.nat(0xa40), length: fc.nat(200), writable: fc.boolean() })
  .map(({ span, at, length, writable }) => {
    const offset = at % (span.bytes - length);
    return { address: span.start + offset, length, writable };
  });

/** One to six buffers, readable ones first, of which the last few may stand in an indirect table. */
const chainsOf = fc
  .record({ list: fc.array(buffers, { minLength: 1, maxLength: 6 }), direct: fc.nat(6), order: fc.boolean() })
  .map(({ list, direct }) => {
    const sorted = list.toSorted((a, b) => Number(a.writable) - Number(b.writable));
    const table = sorted.slice(direct);
    return { buffers: sorted, chain: table.length === 0 ? sorted : [...sorted.slice(0, direct), { table }] };
  });

const rounds = fc.array(
  fc.record({
    expose: fc.array(chainsOf, { maxLength: 4 }),
    max: fc.nat(8),
    giveBack: fc.nat(2),
    use: fc.nat(8),
  }),
  { maxLength: 40 },
);

/** What the device should make of a chain, worked out byte by byte. */
function model(list: readonly ScriptedBuffer[], read: (address: number, length: number) => Uint8Array) {
  const ways = [false, true].map((writable) => list.filter((b) => b.writable === writable));
  const [readable, writable] = ways.map((way) => way.flatMap((b) => [...read(Number(b.address), b.length)]));
  return {
    readableBytes: readable.length,
    writableBytes: writable.length,
    bytes: [...readable, ...writable],
  };
}

describe.each(formats)('%s', (format) => {
  it.each([8, 16])(
    'sees any sequence of chains, fetched and used in any portions, as a naive model does (size %i)',
    (size) => {
      fc.assert(
        fc.property(rounds, (script) => {
          const memory = freshMemory(...windows);
          for (const [w, { region }] of memory.windows.entries()) {
            if (w > 0) region.u8.forEach((_, i, all) => (all[i] = i * 7 + w));
            else for (let i = 0x7800; i < 0x8000; i++) region.u8[i] = i * 5;
          }
          const { driver, queue } = setUp(format, { memory, size });
          const waiting: { id: number; expected: ReturnType<typeof model> }[] = [];
          const fetched: { id: number; slots: number; written: number }[] = [];
          const chains = new ChainBurst(8, 64);
          const one = new ChainBurst(1, 1);
          for (const { expose, max, giveBack, use } of script) {
            for (const { buffers: list, chain } of expose) {
              if ((chain as ScriptedChain).length > driver.free) continue;
              const [id] = driver.expose(chain);
              waiting.push({
                id,
                expected: model(list, (address, length) => driver.memory.read(address, length)),
              });
            }

            const got = queue.fetch(chains, max);
            expect(got).toBe(Math.min(max, waiting.length));
            const kept = got - Math.min(giveBack, got);
            for (let i = 0; i < got; i++) {
              const { readableBytes, writableBytes } = {
                readableBytes: chains.readableBytes[i],
                writableBytes: chains.writableBytes[i],
              };
              const seen = { readableBytes, writableBytes, bytes: bytesOf(chains, i, memory) };
              expect({ id: chains.id[i], seen }).toEqual({ id: waiting[i].id, seen: waiting[i].expected });
              if (i < kept)
                fetched.push({ id: chains.id[i], slots: chains.slots[i], written: writableBytes });
            }
            queue.unfetch(chains, got - kept);
            waiting.splice(0, kept);

            const done = fetched.splice(0, use);
            for (const chain of done) {
              one.id[0] = chain.id;
              one.slots[0] = chain.slots;
              one.written[0] = chain.written;
              queue.complete(one, 0, 1);
            }
            expect(driver.used()).toEqual(done.map(({ id, written }) => ({ id, length: written })));
          }
          expect(queue.broken).toBe(undefined);
        }),
        { numRuns: 200 },
      );
    },
  );
});
