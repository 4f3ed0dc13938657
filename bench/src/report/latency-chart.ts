// Latency over load: a panel for each size of burst, a line for each percentile, filled dots for ours and hollow ones for DPDK's.
import { type Latency, latencyBursts, latencyLoads } from '../solo/latency.ts';

const percentiles = ['p50', 'p99', 'p999'] as const;
type Percentile = (typeof percentiles)[number];
const colours: Readonly<Record<Percentile, string>> = { p50: '#059669', p99: '#d97706', p999: '#dc2626' };
const names: Readonly<Record<Percentile, string>> = { p50: 'p50', p99: 'p99', p999: 'p99.9' };

const left = 60;
const top = 70;
const width = 300;
const height = 240;
const gap = 50;

/** @param all of one row of devargs */
export function latencyChart(all: readonly Latency[]): string {
  const times = all.flatMap((latency) => percentiles.map((percentile) => latency[percentile]));
  const decades = [Math.floor(Math.log10(Math.min(...times))), Math.ceil(Math.log10(Math.max(...times)))];
  const y = (time: number): number =>
    top + (height * (decades[1] - Math.log10(time))) / Math.max(1, decades[1] - decades[0]);
  const panels = latencyBursts.map((burst, i) => {
    const x = (load: number): number => left + i * (width + gap) + (width * load) / 100;
    const shown = all.filter((latency) => latency.burst === burst);
    return [
      `<text x="${x(0)}" y="${top - 12}" font-weight="bold">${burst === 1 ? 'single frames' : `bursts of ${burst}`}</text>`,
      ...latencyLoads.map(
        (load) =>
          `<line x1="${x(load)}" x2="${x(load)}" y1="${top}" y2="${top + height}" stroke="#eee"/>` +
          `<text x="${x(load)}" y="${top + height + 16}" text-anchor="middle" fill="#666">${load} %</text>`,
      ),
      ...ticks(decades).map(
        (time) =>
          `<line x1="${x(0)}" x2="${x(100)}" y1="${y(time)}" y2="${y(time)}" stroke="#ddd"/>` +
          `<text x="${x(0) - 6}" y="${y(time) + 4}" text-anchor="end" fill="#666">${time}</text>`,
      ),
      ...(['ours', 'DPDK'] as const).flatMap((name) =>
        percentiles.map((percentile) =>
          line(
            shown
              .filter((latency) => latency.name === name)
              .map((latency) => [x(latency.load), y(latency[percentile])]),
            colours[percentile],
            name,
          ),
        ),
      ),
    ].join('\n');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + 2 * width + gap + 30}" height="${top + height + 30}" font-family="sans-serif" font-size="12" fill="#333">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="10" y="22" font-size="15">there and back under load, microseconds: ${all[0]?.row ?? ''}</text>`,
    ...percentiles.map(
      (percentile, i) =>
        `<text x="${10 + 50 * i}" y="42" fill="${colours[percentile]}">${names[percentile]}</text>`,
    ),
    `<text x="180" y="42" fill="#666">filled: ours, hollow: DPDK's; load: of the greatest rate of the slower</text>`,
    ...panels,
    '</svg>\n',
  ].join('\n');
}

function ticks([low, high]: readonly number[]): number[] {
  return Array.from({ length: high - low + 1 }, (_, i) => Number((10 ** (low + i)).toPrecision(1)));
}

function line(points: readonly (readonly [number, number])[], colour: string, name: Latency['name']): string {
  const at = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`);
  const dots = points.map(
    ([x, y]) =>
      `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4" fill="${name === 'ours' ? colour : '#fff'}" stroke="${colour}" stroke-width="2"/>`,
  );
  const dashes = name === 'ours' ? '' : ' stroke-dasharray="5 4"';
  return `<polyline points="${at.join(' ')}" fill="none" stroke="${colour}"${dashes}/>${dots.join('')}`;
}
