import { describe, expect, it } from 'vitest';
import type { Latency } from '../solo/latency.ts';
import { latencyChart } from './latency-chart.ts';

const at = (name: Latency['name'], burst: number, load: number): Latency => ({
  row: 'split mergeable',
  name,
  burst,
  load,
  mpps: 1,
  p50: 2,
  p99: 20,
  p999: 200,
});

describe('latencyChart', () => {
  it('has a dot for every percentile of every measurement, and no number that is none', () => {
    const all = [1, 32].flatMap((burst) =>
      [10, 50, 90].flatMap((load) => [at('ours', burst, load), at('DPDK', burst, load)]),
    );
    const chart = latencyChart(all);
    expect([chart.match(/<circle /g)?.length, chart.includes('NaN')]).toEqual([36, false]);
  });

  it('draws times that are all alike', () => {
    expect(latencyChart([{ ...at('ours', 1, 10), p50: 1, p99: 1, p999: 1 }])).not.toContain('NaN');
  });
});
