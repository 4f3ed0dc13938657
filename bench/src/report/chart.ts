// The ratios as a chart: one line per row of devargs, one dot per direction, filled for near CPUs and hollow for far
// ones. Right of the middle line we are faster.
import type { Cell } from '../compare.ts';
import type { Mode, Side } from '../modes.ts';
import type { Distance } from '../placement/probe.ts';
import { medianRatio } from '../duel.ts';
import { modeNames } from './markdown.ts';

const colours: Readonly<Record<Mode, string>> = { txonly: '#2563eb', rxonly: '#d97706', io: '#059669' };
const left = 210;
const width = 520;
const rowHeight = 26;
const ticks = [0.5, 0.7, 1, 1.4, 2, 2.8];

/** Logarithmic, so that half and double are equally far from the middle. */
function x(ratio: number): number {
  const [low, high] = [ticks[0], ticks[ticks.length - 1]].map(Math.log);
  const at = (Math.log(ratio) - low) / (high - low);
  return left + width * Math.min(1, Math.max(0, at));
}

/** @param length the frame length to show, in bytes */
export function ratioChart(cells: readonly Cell[], length: number): string {
  const shown = cells.filter((cell) => cell.length === length && cell.duels.length > 0);
  const parts: string[] = [];
  let y = 56;
  for (const side of ['frontend', 'backend'] as const) {
    const rows = [...new Set(shown.filter((cell) => cell.side === side).map((cell) => cell.row))];
    if (rows.length === 0) continue;
    parts.push(panel(shown, side, rows, y));
    y += (rows.length + 2) * rowHeight;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 30}" height="${y}" font-family="sans-serif" font-size="12" fill="#333">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="10" y="22" font-size="15">vio against DPDK testpmd: packets per second, ${length}-byte frames</text>`,
    legend(),
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function legend(): string {
  const modes: readonly Mode[] = ['txonly', 'rxonly', 'io'];
  const items = modes.map(
    (mode, i) =>
      `${dot(left + 60 * i, 38, mode, 'near')}<text x="${left + 60 * i + 9}" y="42">${modeNames[mode]}</text>`,
  );
  return `${items.join('')}<text x="${left + 190}" y="42" fill="#666">filled: near CPUs, hollow: far CPUs</text>`;
}

function panel(cells: readonly Cell[], side: Side, rows: readonly string[], top: number): string {
  const bottom = top + (rows.length + 1) * rowHeight;
  const grid = ticks.map(
    (tick) =>
      `<line x1="${x(tick)}" x2="${x(tick)}" y1="${top + 14}" y2="${bottom - 6}" stroke="${tick === 1 ? '#333' : '#ddd'}"/>` +
      `<text x="${x(tick)}" y="${bottom + 8}" text-anchor="middle" fill="#666">${tick}</text>`,
  );
  const lines = rows.map((row, i) => {
    const y = top + rowHeight * (i + 1);
    const dots = cells
      .filter((cell) => cell.side === side && cell.row === row)
      .flatMap((cell) => (['near', 'far'] as const).map((distance) => cellDot(cell, distance, y)));
    return `<text x="${left - 14}" y="${y + 4}" text-anchor="end">${row}</text>${dots.join('')}`;
  });
  return [`<text x="10" y="${top + 6}" font-weight="bold">our ${side}</text>`, ...grid, ...lines].join('\n');
}

function cellDot(cell: Cell, distance: Distance, y: number): string {
  const duels = cell.duels.filter((duel) => duel.distance === distance);
  return duels.length === 0 ? '' : dot(x(medianRatio(duels)), y, cell.mode, distance);
}

function dot(cx: number, cy: number, mode: Mode, distance: Distance): string {
  const fill = distance === 'near' ? colours[mode] : '#fff';
  return `<circle cx="${cx.toFixed(1)}" cy="${cy}" r="5" fill="${fill}" stroke="${colours[mode]}" stroke-width="2"/>`;
}
