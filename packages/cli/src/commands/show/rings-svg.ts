import type { RingState } from '@vio/net';
import { drawRing, side, strokeWidth } from '../../page/shared/ring-drawing.ts';
import { ringLegend, ringWords, slotsGiven } from '../../page/shared/ring-words.ts';
import type { ShownPort } from './rings-text.ts';

const columns = 4;
const cellWidth = 170;
const cellHeight = 210;
const margin = 20;
const headHeight = 34;
const legendHeight = 18;

/** Light and dark, as whoever looks has it; the colours are those of the live page. */
const style = `
  svg { background: #fff; color-scheme: light dark; --text: #1b2430; --quiet: #5e6b7a; --card: #fff;
    --held: #1f6feb; --available: #12a594; --used: #e5890f; --free: #dfe5eb; --driver: #1b2430; --device: #7a4bd0; --bad: #c62a2f; }
  @media (prefers-color-scheme: dark) {
    svg { background: #151c26; --text: #e4eaf1; --quiet: #93a1b1; --card: #151c26;
      --held: #3b8bff; --available: #2cc5b0; --used: #f0a040; --free: #2a3546; --driver: #e4eaf1; --device: #b491ff; --bad: #ff7b7b; }
  }
  text { font: 11px system-ui, sans-serif; fill: var(--text); }
  .head { font-size: 15px; font-weight: 600; }
  .name { font-weight: 600; text-anchor: middle; }
  .given { font-size: 16px; font-weight: 600; text-anchor: middle; }
  .quiet { fill: var(--quiet); }
  .of { font-size: 9px; fill: var(--quiet); text-anchor: middle; }
  .broken { fill: var(--bad); text-anchor: middle; }
  .arc { fill: none; stroke-width: ${strokeWidth}px; }
  .ticks { stroke: var(--card); stroke-width: 0.7px; }
  ${['held', 'available', 'used', 'free'].map((state) => `.arc.${state} { stroke: var(--${state}); } .key.${state} { fill: var(--${state}); }`).join('\n  ')}
  .driver { fill: var(--driver); }
  .device { fill: var(--device); }
`;

/** The rings of ports as one SVG document. */
export function ringsSvg(ports: readonly ShownPort[]): string {
  let y = margin;
  const parts = ports.map((port) => {
    const drawn = section(port, y);
    y += heightOf(port);
    return drawn;
  });
  const width = 2 * margin + columns * cellWidth;
  const size = `width="${width}" height="${y}" viewBox="0 0 ${width} ${y}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">\n<title>rings</title>\n<style>${style}</style>\n${parts.join('')}</svg>\n`;
}

function heightOf({ kind, rings }: ShownPort): number {
  const rows = Math.ceil(rings.length / columns);
  return headHeight + ringLegend(kind).length * legendHeight + 12 + rows * cellHeight + margin;
}

function section({ program, port, name, kind, rings }: ShownPort, top: number): string {
  const head = `<text class="head" x="${margin}" y="${top + 15}">${escape(`${program}, port ${port}: ${name}`)}</text>\n`;
  const legend = ringLegend(kind).map(([sign, text], i) => {
    const y = top + headHeight + i * legendHeight;
    return `<rect class="key ${sign}" x="${margin}" y="${y}" width="10" height="10" rx="2"/><text class="quiet" x="${margin + 18}" y="${y + 9}">${escape(text)}</text>\n`;
  });
  const from = top + headHeight + legend.length * legendHeight + 12;
  const cells = rings.map((ring, i) => {
    const x = margin + (i % columns) * cellWidth;
    return cell(ring, x, from + Math.floor(i / columns) * cellHeight);
  });
  return head + legend.join('') + cells.join('');
}

function cell(ring: RingState, x: number, y: number): string {
  const { name, size, positions, broken } = ring;
  const { arcs, ticks, driver, device } = drawRing(size, positions);
  const middle = side / 2;
  const words = ringWords(ring).map(
    ([term, value], i) =>
      `<text x="0" y="${side + 14 + 13 * i}"><tspan class="quiet">${escape(term)}</tspan> ${escape(value)}</text>`,
  );
  const trouble =
    broken === undefined
      ? ''
      : `<text class="broken" x="${middle}" y="${side + 16 + 13 * words.length}">broken</text>`;
  return [
    `<g transform="translate(${x} ${y})">`,
    `<title>${escape(broken === undefined ? name : `${name}: broken: ${broken}`)}</title>`,
    `<text class="name" x="${middle}" y="0">${escape(name)}</text>`,
    ...arcs.map(({ state, path }) => `<path class="arc ${state}" d="${path}"/>`),
    `<path class="ticks" d="${ticks}"/><path class="driver" d="${driver}"/><path class="device" d="${device}"/>`,
    `<text class="given" x="${middle}" y="${middle}">${slotsGiven(ring)}</text>`,
    `<text class="of" x="${middle}" y="${middle + 13}">of ${size}</text>`,
    ...words,
    trouble,
    '</g>\n',
  ].join('');
}

/** Text as XML has it; what XML cannot have is left out. */
function escape(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text
    .replaceAll(/[\p{Cc}\p{Cs}\u{fffe}\u{ffff}]/gu, '?')
    .replaceAll(/[&<>"]/g, (character) => entities[character]);
}
