import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TurnTimes } from './turn-times.ts';

/** Turns of these lengths in microseconds, one behind the other. */
function measured(lengths: readonly number[]) {
  const times = new TurnTimes();
  let at = 1;
  for (const length of lengths) {
    times.add(at, at + length / 1000, 1);
    at += length / 1000;
  }
  return times;
}

it('percentiles of turns are right to a sixteenth', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 2_000_000 }), { minLength: 1, maxLength: 200 }), (all) => {
      const { work } = measured(all).take();
      const sorted = all.toSorted((a, b) => a - b);
      for (const [seen, share] of [
        [work.p50, 0.5],
        [work.p90, 0.9],
        [work.p99, 0.99],
      ]) {
        const exact = sorted[Math.ceil(share * all.length) - 1];
        expect(seen / exact).toBeGreaterThan(0.999);
        expect(seen / exact).toBeLessThan(1 + 1 / 15);
      }
      expect(work.count).toBe(all.length);
      expect(work.max).toBeCloseTo(sorted[sorted.length - 1], 0);
    }),
  );
});

it('a packet waits from one turn to the next', () => {
  expect(measured([100, 100, 100]).take().wait).toMatchObject({ count: 2, max: expect.closeTo(100, 1) });
});

it('what comes after a rest has not waited', () => {
  const times = new TurnTimes();
  times.add(1, 1.1, 5);
  times.rest();
  times.add(1000, 1000.1, 5);
  expect(times.take().wait.count).toBe(0);
});

it('a turn that moves nothing is no work', () => {
  const times = new TurnTimes();
  times.add(1, 1.1, 0);
  expect(times.take().work.count).toBe(0);
});

it('begins anew once it was asked for', () => {
  const times = measured([100, 100]);
  times.take();
  expect(times.take()).toEqual({
    wait: { count: 0, p50: 0, p90: 0, p99: 0, max: 0 },
    work: { count: 0, p50: 0, p90: 0, p99: 0, max: 0 },
  });
});

it('one turn of eight is timed to its end', () => {
  const times = new TurnTimes();
  const wanted: boolean[] = [];
  for (let i = 0; i < 24; i++) {
    wanted.push(times.workIsNext);
    times.add(i + 1, times.workIsNext ? i + 1.5 : undefined, 1);
  }
  const { wait, work } = times.take();
  expect(wanted.flatMap((each, i) => (each ? [i] : []))).toEqual([7, 15, 23]);
  expect([wait.count, work.count]).toEqual([23, 3]);
});
