// The ratios as a chart: one line per row of devargs, one dot per direction, filled for near CPUs, pale in between, hollow for far
// ones. Right of the middle line we are faster. Each processor and each DPDK has panels of its own.
import type { Mode } from '../modes.ts';
import type { Distance } from '../placement/probe.ts';
import { modeNames } from './markdown.ts';
import type { MachineRatios, Ratio } from './ratios.ts';

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
export function ratioChart(machines: readonly MachineRatios[], length: number): string {
  const parts: string[] = [];
  let y = 56;
  for (const { machine, ratios } of machines) {
    for (const side of ['frontend', 'backend'] as const) {
      const shown = ratios.filter((ratio) => ratio.side === side && ratio.length === length);
      const rows = [...new Set(shown.map(({ row }) => row))];
      if (rows.length === 0) continue;
      parts.push(panel(shown, `our ${side}: ${machine}`, rows, y));
      y += (rows.length + 2) * rowHeight;
    }
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
  return `${items.join('')}<text x="${left + 190}" y="42" fill="#666">filled: near CPUs, pale: in between, hollow: far</text>`;
}

function panel(ratios: readonly Ratio[], title: string, rows: readonly string[], top: number): string {
  const bottom = top + (rows.length + 1) * rowHeight;
  const grid = ticks.map(
    (tick) =>
      `<line x1="${x(tick)}" x2="${x(tick)}" y1="${top + 14}" y2="${bottom - 6}" stroke="${tick === 1 ? '#333' : '#ddd'}"/>` +
      `<text x="${x(tick)}" y="${bottom + 8}" text-anchor="middle" fill="#666">${tick}</text>`,
  );
  const lines = rows.map((row, i) => {
    const y = top + rowHeight * (i + 1);
    const dots = ratios
      .filter((ratio) => ratio.row === row)
      .map(({ ratio, mode, distance }) => dot(x(ratio), y, mode, distance));
    return `<text x="${left - 14}" y="${y + 4}" text-anchor="end">${row}</text>${dots.join('')}`;
  });
  return [`<text x="10" y="${top + 6}" font-weight="bold">${title}</text>`, ...grid, ...lines].join('\n');
}

function dot(cx: number, cy: number, mode: Mode, distance: Distance): string {
  const fill = distance === 'far' ? '#fff' : colours[mode];
  const opacity = distance === 'middle' ? ' fill-opacity="0.35"' : '';
  return `<circle cx="${cx.toFixed(1)}" cy="${cy}" r="5" fill="${fill}"${opacity} stroke="${colours[mode]}" stroke-width="2"/>`;
}
