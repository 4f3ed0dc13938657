// The counters of the ports, as text.
import { basename } from 'node:path';
import type { SwitchPort } from './port.ts';

const columns = ['sent', 'received', 'dropped', 'retries'] as const;

/** A table with a line for each port. */
export function portCounters(ports: readonly SwitchPort[]): string {
  const rows = ports.map(({ name, counts }) => [
    basename(name),
    ...columns.map((column) => String(counts[column])),
  ]);
  const table = [['port', ...columns], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  return table
    .map(([name, ...numbers]) =>
      [name.padEnd(widths[0]), ...numbers.map((text, i) => text.padStart(widths[i + 1]))].join('  '),
    )
    .join('\n');
}
