import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SeenBuffer, SeenChain } from '../testing/chain-reader.ts';
import { kinds, prefix, setUp, type Kind } from '../test-support/driver-setup.ts';

/** A packet on its way: what the device should see of it, and what the driver should get back. */
interface Packet {
  readonly token: number;
  readonly buffers: readonly SeenBuffer[];
  readonly slots: number;
  length: number;
  chain: SeenChain | undefined;
}

const shapes = {
  split: fc.constantFrom(1, 2, 4, 8, 16),
  packed: fc.integer({ min: 1, max: 17 }),
};

const setUps = (kind: Kind) =>
  fc.record({
    size: shapes[kind.format],
    indirect: fc.boolean(),
    eventIdx: fc.boolean(),
    deviceWrites: fc.boolean(),
    separatePrefix: fc.boolean(),
    indirectEntries: fc.integer({ min: 1, max: 6 }),
  });

const lengths = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 });
const rounds = fc.array(
  fc.record({
    /** Lengths of the segments of each packet. */
    packets: fc.array(lengths, { maxLength: 6 }),
    singles: fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 9 }),
    take: fc.nat(9),
    use: fc.array(fc.nat(), { maxLength: 6 }),
    batch: fc.boolean(),
    reap: fc.nat(9),
  }),
  { maxLength: 40, size: 'max' },
);

describe.each(kinds)('$format, in order: $inOrder', (kind) => {
  it('exposes and gives back any sequence of packets as a naive model does', () => {
    fc.assert(
      fc.property(setUps(kind), rounds, (options, script) => {
        const { size, deviceWrites, separatePrefix, indirectEntries } = options;
        const all = setUp(kind, { ...options, buffers: 600, queue: { separatePrefix, indirectEntries } });
        const { queue, device, pool } = all;
        const waiting: Packet[] = [];
        const held: Packet[] = [];
        const used: Packet[] = [];
        const inRing = () => [...waiting, ...held, ...used];

        const expectChain = (head: number): SeenBuffer[] => {
          const list = separatePrefix
            ? [{ address: pool.dataOffset[head] - prefix, length: prefix, writable: deviceWrites }]
            : [];
          for (let b = head; b !== -1; b = pool.next[b]) {
            const lead = b === head && !separatePrefix ? prefix : 0;
            list.push({
              address: pool.dataOffset[b] - lead,
              length: pool.dataLength[b] + lead,
              writable: deviceWrites,
            });
          }
          return list;
        };
        const expectAdded = (
          tokens: readonly number[],
          buffersOf: (token: number, i: number) => SeenBuffer[],
        ) => {
          for (const [i, token] of tokens.entries()) {
            const buffers = buffersOf(token, i);
            const indirect =
              options.indirect && buffers.length > 1 && buffers.length <= Math.min(indirectEntries, size);
            const slots = indirect ? 1 : buffers.length;
            waiting.push({ token, buffers, slots, length: 0, chain: undefined });
          }
          const taken = inRing().reduce((sum, packet) => sum + packet.slots, 0);
          expect([queue.free, queue.outstanding]).toEqual([size - taken, inRing().length]);
        };

        for (const { packets, singles, take, use, batch, reap } of script) {
          expectAdded(all.addChains(...packets), expectChain);
          const room = queue.free;
          const added = all.add(...singles);
          expect(added).toHaveLength(Math.min(room, singles.length));
          expectAdded(added, (token, i) => [
            {
              address: pool.dataBase + token * pool.stride - prefix,
              length: singles[i] + prefix,
              writable: deviceWrites,
            },
          ]);

          const chains = device.take(take);
          expect(chains).toHaveLength(Math.min(take, waiting.length));
          for (const [i, packet] of waiting.splice(0, chains.length).entries()) {
            expect([chains[i].slots, chains[i].buffers]).toEqual([packet.slots, packet.buffers]);
            packet.chain = chains[i];
            held.push(packet);
          }

          const picked = use
            .slice(0, held.length)
            .map((pick) => held.splice(kind.inOrder ? 0 : pick % held.length, 1)[0]);
          for (const packet of picked) packet.length = deviceWrites ? (packet.token * 7) % 120 : 0;
          const seen = picked.flatMap(({ chain }) => chain ?? []);
          if (seen.length > 0 && batch && kind.inOrder) {
            const last = picked[picked.length - 1];
            for (const packet of picked) {
              if (packet === last || packet.chain === undefined) continue;
              const bytes = packet.chain.buffers.reduce((sum, buffer) => sum + buffer.length, 0);
              packet.length = deviceWrites ? bytes : 0;
            }
            device.useBatch(seen, last.length);
          } else device.use(...seen.map((chain, i) => ({ ...chain, length: picked[i].length })));
          used.push(...picked);

          const expected = used.splice(0, reap).map(({ token, length }) => [token, length]);
          expect(all.reap(reap)).toEqual(expected);
          expect(queue.broken).toBe(undefined);
        }

        expect(all.reclaim()).toEqual(
          inRing()
            .map(({ token }) => token)
            .toSorted((a, b) => a - b),
        );
        expect([pool.free, queue.free]).toEqual([pool.count, size]);
      }),
      { numRuns: 300 },
    );
  });
});
