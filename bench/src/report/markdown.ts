import type { Cell } from '../compare.ts';
import { type Duel, medianRatio } from '../duel.ts';
import type { Mode, Side } from '../modes.ts';
import type { Distance } from '../placement/probe.ts';
import { median } from '@vio/test/median';

/** Column titles, from the contender's point of view. */
export const modeNames: Readonly<Record<Mode, string>> = { txonly: 'Tx', rxonly: 'Rx', io: 'io' };

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(header), line(header.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** One table of ratios: rows of devargs, columns of direction and length. Empty when nothing was measured so. */
export function ratioTable(cells: readonly Cell[], side: Side, distance: Distance): string {
  const chosen = cells.filter((cell) => cell.side === side);
  const columns = new Map(chosen.map((cell) => [`${modeNames[cell.mode]} ${cell.length}`, cell]));
  const rows = [...new Set(chosen.map((cell) => cell.row))].map((row) => [
    row,
    ...Array.from(columns.values(), ({ mode, length }) => {
      const cell = chosen.find((c) => c.row === row && c.mode === mode && c.length === length);
      return entry(cell?.duels.filter((duel) => duel.distance === distance) ?? []);
    }),
  ]);
  const measured = rows.some((row) => row.slice(1).some((text) => text !== ''));
  return measured ? table(['devargs', ...columns.keys()], rows) : '';
}

function entry(duels: readonly Duel[]): string {
  if (duels.length === 0) return '';
  const ratio = medianRatio(duels).toFixed(2);
  const rates = `${mpps(duels.map((d) => d.ours))} / ${mpps(duels.map((d) => d.dpdk))}`;
  const shares = `${percent(duels.map((d) => d.empty))} / ${percent(duels.map((d) => d.full))} %`;
  return `**${ratio}** (${rates}; ${duels.length}; ${shares})`;
}

function mpps(rates: readonly number[]): string {
  return (median(rates) / 1e6).toFixed(1);
}

function percent(shares: readonly number[]): string {
  return (100 * median(shares)).toFixed(0);
}
