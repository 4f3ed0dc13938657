import { describe, expect, it } from 'vitest';
import { Histogram } from './histogram.ts';

function of(...milliseconds: number[]): Histogram {
  const histogram = new Histogram();
  for (const time of milliseconds) histogram.add(time);
  return histogram;
}

/** Whether two times are the same to 1.1 percent. */
const about = (one: number, other: number): boolean => Math.abs(Math.log2(one / other)) <= 1 / 64;

describe('Histogram', () => {
  it.each([1e-6, 0.0123, 1, 1234.5])('gives back %d ms to a percent', (time) => {
    expect(about(of(time).percentile(0.5), time)).toBe(true);
  });

  it('tells the rare from the usual', () => {
    const times = of(...Array.from({ length: 999 }, () => 1), 50);
    expect([0.5, 0.99, 0.9995].map((share) => Math.round(times.percentile(share)))).toEqual([1, 1, 50]);
  });

  it('merges', () => {
    const all = of(1);
    all.merge(of(4, 4));
    expect([all.count, Math.round(all.percentile(0.5))]).toEqual([3, 4]);
  });

  it('has a place for whatever comes', () => {
    const times = of(0, -1, 1e12);
    expect([times.count, times.percentile(1) > 1e6]).toEqual([3, true]);
  });

  it('knows nothing of nothing', () => {
    expect(of().percentile(0.5)).toBeNaN();
  });
});
