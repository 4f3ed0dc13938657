import { printable } from '@vio/native/internal';
import { withUnit } from '../../forward/units.ts';
import type { PortActivity } from './activity.ts';
import type { SortKey } from './options.ts';
import type { Paint } from './paint.ts';

/** How it is shown. */
export interface View {
  /** Columns of the terminal. */
  readonly columns: number;
  readonly sort: SortKey;
  /** Each queue for itself. */
  readonly queues: boolean;
  readonly paused: boolean;
  readonly paint: Paint;
  /** A line about keys belongs to it. */
  readonly keys: boolean;
}

/** Narrower than this, what stands in a row stands in lines. */
const tableColumns = 64;

/** The picture: lines, none of them wider than the terminal. */
export function render(ports: readonly PortActivity[], view: View): string[] {
  const { columns, paint } = view;
  const lines = [fit(headline(ports, view), columns)].map((line) => paint('bold', line));
  if (view.keys) lines.push(paint('dim', fit('s sort  u queues  p pause  q quit', columns)));
  if (ports.length === 0) return [...lines, fit('no port or device is here, or none that answers', columns)];
  if (columns >= tableColumns) lines.push(paint('dim', fit(tableHead(columns), columns)));
  return [...lines, ...ports.flatMap((port) => portLines(port, view))];
}

function headline(ports: readonly PortActivity[], { sort, paused }: View): string {
  const programs = new Set(ports.map(({ program }) => program)).size;
  const state = paused ? '  PAUSED' : '';
  return `vio top  ${count(programs, 'program')}, ${count(ports.length, 'port')}, by ${sort}${state}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** Widths of the cells behind the name. */
const cells = [4, 10, 12, 10, 12] as const;
const cellColumns = cells.reduce((sum, width) => sum + width + 1, 0);

function nameColumns(columns: number): number {
  return Math.max(8, columns - cellColumns);
}

/** The end of a path says more than its beginning. */
function shortened(program: string, name: string, width: number): string {
  const room = width - program.length - 1;
  const characters = Array.from(name);
  if (characters.length <= room) return `${program} ${name}`;
  return room < 6 ? program : `${program} ..${characters.slice(2 - room).join('')}`;
}

function row(columns: number, name: string, ...values: readonly string[]): string {
  const width = nameColumns(columns);
  return [fit(name, width).padEnd(width), ...values.map((value, i) => value.padStart(cells[i]))].join(' ');
}

function tableHead(columns: number): string {
  return row(columns, 'PORT', 'LINK', 'RX', '', 'TX', '');
}

function portLines(port: PortActivity, view: View): string[] {
  const { columns, paint } = view;
  const link = port.up ? 'UP' : 'DOWN';
  const width = columns >= tableColumns ? nameColumns(columns) : columns - link.length - 1;
  const name = shortened(printable(port.program), printable(port.name), width);
  const { rx, tx } = port;
  const flows = [rates(rx.pps, rx.bps), rates(tx.pps, tx.bps)];
  const head =
    columns >= tableColumns
      ? [
          row(columns, name, link, ...flows[0], ...flows[1]).replace(` ${link} `, (each) =>
            paint(port.up ? 'green' : 'red', each),
          ),
        ]
      : [
          paint(port.up ? 'bold' : 'red', fit(`${link} ${name}`, columns)),
          fit(`  rx ${flows[0].join(' ')}`, columns),
          fit(`  tx ${flows[1].join(' ')}`, columns),
        ];
  const details = [
    ...(port.reason === undefined ? [] : [`down: ${printable(port.reason)}`]),
    ...(port.paths === undefined ? [] : [printable(port.paths)]),
    `${port.batch === undefined ? '' : `batch ${port.batch.toFixed(1)}  `}kicks ${perSecond(port.kicks)}  calls ${perSecond(port.calls)}`,
    ...port.drops.map(
      ({ reason, perSecond: rate, total }) =>
        `dropped ${printable(reason)} ${perSecond(rate)}, ${total} in all`,
    ),
    ...(view.queues
      ? port.queues.map(
          (each) =>
            `q${each.queue}  rx ${rates(each.rx.pps, each.rx.bps).join(' ')}  tx ${rates(each.tx.pps, each.tx.bps).join(' ')}`,
        )
      : []),
  ];
  return [
    ...head,
    ...details.map((line) => fit(`  ${line}`, columns)),
    ...port.rings.map((ring) => bar(ring, columns, paint)),
  ];
}

function rates(pps: number, bps: number): [string, string] {
  return [withUnit(pps, 'pps'), withUnit(bps, 'bit/s')];
}

function perSecond(rate: number): string {
  return withUnit(rate, '/s');
}

/** The fill of a ring: `  receiveq0  ########----  171/256`. */
function bar(
  { name, size, inUse, broken }: PortActivity['rings'][number],
  columns: number,
  paint: Paint,
): string {
  const label = `  ${printable(name).padEnd(columns >= 40 ? 12 : 10)} `;
  if (broken !== undefined) return paint('red', fit(`${label}broken: ${printable(broken)}`, columns));
  const numbers = ` ${String(inUse).padStart(columns >= 40 ? 5 : 3)}/${size}`;
  const width = Math.min(64, columns - label.length - numbers.length);
  if (width < 3) return fit(`${label.trimEnd()}${numbers}`, columns);
  const share = size > 0 ? Math.min(1, inUse / size) : 0;
  const full = Math.round(share * width);
  const color = share > 0.9 ? 'yellow' : 'green';
  return `${label}${paint(color, '#'.repeat(full))}${'-'.repeat(width - full)}${numbers}`;
}

/** No wider than there is room for. */
export function fit(text: string, columns: number): string {
  const characters = Array.from(text);
  return characters.length <= columns ? text : characters.slice(0, Math.max(0, columns)).join('');
}
