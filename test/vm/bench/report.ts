// Ratios of neighbouring windows, and a table of their medians.
import { median } from '../../support/median.ts';
import type { Direction, Window } from '../guest/bench.ts';

/** What the others are compared to. */
const ours = 'vio';

const others: Readonly<Record<string, string>> = {
  'dpdk-virtio-user': "DPDK's virtio-user, on vhost-net and a tap as ours",
  'node-tap': 'Node without vio: a system call for each frame on a tap',
  'dpdk-af-packet': "DPDK's AF_PACKET, on a pair of veth",
};

const directions: Readonly<Record<Direction, string>> = { tx: 'to the kernel', rx: 'from the kernel' };

/** Our packets per second for one of theirs, round by round. */
export function ratios(
  windows: readonly Window[],
  other: string,
  direction: Direction,
  length: number,
): number[] {
  const rates = new Map<string, number>();
  for (const each of windows) {
    if (each.direction === direction && each.length === length)
      rates.set(`${each.contender} ${each.round}`, each.rate);
  }
  const rounds = [...new Set(windows.map(({ round }) => round))];
  return rounds.flatMap((round) => {
    const [we, they] = [rates.get(`${ours} ${round}`), rates.get(`${other} ${round}`)];
    return we === undefined || they === undefined || they === 0 ? [] : [we / they];
  });
}

/** Packets per second and bytes per second have the same ratios: the frames are equally long. */
export function table(windows: readonly Window[], lengths: readonly number[]): string {
  const columns = (['tx', 'rx'] as const).flatMap((direction) =>
    lengths.map((length) => ({ direction, length, title: `${directions[direction]}, ${length} B` })),
  );
  const rows = Object.entries(others).map(([other, what]) => [
    what,
    ...columns.map(({ direction, length }) => cell(ratios(windows, other, direction, length))),
  ]);
  return aligned([['vio beside', ...columns.map(({ title }) => title)], ...rows]);
}

/** Markdown as a formatter would have it: the first column to the left, the others to the right. */
function aligned([head, ...rows]: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i].length)));
  const pad = (row: readonly string[]): string[] =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i])));
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [pad(head), rule, ...rows.map(pad)].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function cell(values: readonly number[]): string {
  if (values.length === 0) return 'not measured';
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `**${median(values).toFixed(2)}** (${low.toFixed(2)} to ${high.toFixed(2)})`;
}
