import { VioError } from '@vio/native';
import { callSwitch } from '@vio/switch/client';
import { Output } from '../../output.ts';
import { knownControlPath } from '../../telemetry/places.ts';
import type { CallOptions } from './options.ts';

type Row = Readonly<Record<string, unknown>>;

/** What `show` can show: the method that is called, and the columns a person sees. */
const shown: Readonly<Record<string, { readonly method: string; readonly columns: readonly string[] }>> = {
  ports: { method: 'show-ports', columns: ['name', 'bridge', 'origin', 'state'] },
  bridges: { method: 'show-bridges', columns: ['name', 'ports', 'learned', 'ageing'] },
  workers: { method: 'show-workers', columns: ['worker', 'ports', 'awake', 'trunks'] },
  macs: { method: 'show-macs', columns: ['bridge', 'vlan', 'mac', 'port', 'age'] },
  counters: { method: 'show-counters', columns: [] },
  health: { method: 'health', columns: [] },
};

export async function addPort(text: string, options: CallOptions): Promise<void> {
  const port = parsePort(text);
  const view = (await call('add-port', port, options)) as Row;
  new Output(options.json === true).record('port', view, `port ${String(view['name'])} is there`);
}

export async function deletePort(name: string, options: CallOptions): Promise<void> {
  const done = (await call('delete-port', { name }, options)) as { readonly deleted: boolean };
  const text = done.deleted ? `port ${name} is deleted` : `there was no port ${name}`;
  new Output(options.json === true).record('deleted', { name, ...done }, text);
}

export async function show(what: string, options: CallOptions): Promise<void> {
  const table = Object.hasOwn(shown, what) ? shown[what] : undefined;
  if (table === undefined)
    throw usage(`${what} cannot be shown`, `show one of ${Object.keys(shown).join(', ')}`);
  const answer = await call(table.method, {}, options);
  const output = new Output(options.json === true);
  if (table.columns.length > 0) {
    const rows = answer as readonly Row[];
    if (options.json === true) for (const row of rows) output.record(table.method.slice(5, -1), row, '');
    else process.stdout.write(tableOf(table.columns, rows.map(withTrunks)));
    return;
  }
  const text = what === 'health' ? JSON.stringify(answer) : countersText(answer as Record<string, Row>);
  output.record(what, { [what]: answer }, text);
}

export async function flush(options: CallOptions): Promise<void> {
  const done = (await call('flush-macs', {}, options)) as { readonly flushed: number };
  new Output(options.json === true).record('flushed', done, `${done.flushed} addresses are forgotten`);
}

export async function reload(options: CallOptions): Promise<void> {
  const done = (await call('reload', {}, options)) as Readonly<Record<string, readonly string[]>>;
  const text = Object.entries(done).map(([what, names]) => `${names.length} ${what}`);
  new Output(options.json === true).record('reloaded', done, text.join(', '));
}

function call(method: string, params: unknown, { control, timeout }: CallOptions): Promise<unknown> {
  return callSwitch(control ?? knownControlPath(), method, params, { timeout });
}

function parsePort(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw usage('the port is no JSON', 'give it as {"name": ..., "bridge": ..., "socket": ...}', cause);
  }
}

function usage(message: string, remedy: string, cause?: unknown): VioError {
  return new VioError(message, { code: 'VIO_CLI_USAGE', remedy, cause });
}

/** What went from a thread to others, in words. */
function withTrunks(row: Row): Row {
  if (!Array.isArray(row['trunks'])) return row;
  const trunks = row['trunks'] as readonly Row[];
  const words = trunks.map(
    ({ to, frames, dropped }) => `${String(frames)} frames to ${String(to)}, ${String(dropped)} dropped`,
  );
  return { ...row, trunks: words.join('; ') || '-' };
}

function tableOf(columns: readonly string[], rows: readonly Row[]): string {
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column])))];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i].length)));
  return cells
    .map(
      (line) =>
        `${line
          .map((cell, i) => cell.padEnd(widths[i]))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

function countersText(counters: Readonly<Record<string, Row>>): string {
  return Object.entries(counters)
    .map(([port, values]) => {
      const counted = Object.entries(values).filter(([, value]) => value !== 0);
      return `${port}: ${counted.map(([name, value]) => `${name} ${String(value)}`).join(', ') || 'nothing yet'}`;
    })
    .join('\n');
}
