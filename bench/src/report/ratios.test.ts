import { describe, expect, it } from 'vitest';
import type { Cell } from '../compare.ts';
import { ratioChart } from './chart.ts';
import { ratioTable } from './markdown.ts';
import { withResults } from './readme.ts';
import { ratiosIn } from './ratios.ts';

const empty = '<!-- results: written by npm run bench -- --write -->\n<!-- end of results -->\n';

const cell = (side: Cell['side'], mode: Cell['mode'], length: number, ours: number): Cell => ({
  side,
  row: 'split mergeable',
  mode,
  length,
  duels: [{ distance: 'far', ours, dpdk: 2e7, empty: 0, full: 1 }],
});
const section = (...cells: readonly Cell[]): string =>
  `- machine\n\n### Our ${cells[0].side} against DPDK's\n\nCPUs far:\n\n${ratioTable(cells, cells[0].side, 'far')}\n\nend`;

describe('ratiosIn', () => {
  it('reads what the tables say', () => {
    const cells = [cell('backend', 'txonly', 64, 3e7), cell('backend', 'io', 1518, 1e7)];
    const common = { side: 'backend', distance: 'far', row: 'split mergeable' };
    expect(ratiosIn(withResults(empty, 'one', section(...cells)))).toEqual([
      {
        machine: 'one',
        ratios: [
          { ...common, mode: 'txonly', length: 64, ratio: 1.5 },
          { ...common, mode: 'io', length: 1518, ratio: 0.5 },
        ],
      },
    ]);
  });

  it('keeps what was not measured this time, and what another DPDK gave', () => {
    let text = withResults(empty, 'old', section(cell('frontend', 'io', 64, 1e7)));
    text = withResults(text, 'new', section(cell('frontend', 'rxonly', 64, 2e7)));
    text = withResults(text, 'new', section(cell('backend', 'txonly', 64, 3e7)));
    const found = ratiosIn(withResults(text, 'new', '- machine\n\n### Memory\n\nno more'));
    expect(found.map(({ machine, ratios }) => [machine, ratios.map(({ side }) => side)])).toEqual([
      ['new', ['frontend', 'backend']],
      ['old', ['frontend']],
    ]);
    const chart = ratioChart(found, 64);
    expect(chart.match(/our (front|back)end: (old|new)/g)).toEqual([
      'our frontend: new',
      'our backend: new',
      'our frontend: old',
    ]);
    // Three of the legend, none of them of a number that is none.
    expect([chart.match(/<circle /g)?.length, chart.includes('NaN')]).toEqual([6, false]);
  });
});
