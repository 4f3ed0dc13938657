import type { GoldenRow } from '../support/golden-rows.ts';

/** One column of the matrix: a golden row with so many queue pairs. */
export interface Column {
  readonly name: string;
  readonly row: GoldenRow;
  readonly queues: number;
  /** Number of its port at testpmd. */
  readonly port: number;
}

/** Each of these rows with each of these numbers of queue pairs, on a port of its own of one testpmd. */
export function columns(rows: readonly GoldenRow[], ...queueCounts: readonly number[]): Column[] {
  return queueCounts
    .flatMap((queues) => rows.map((row) => ({ row, queues })))
    .map(({ row, queues }, port) => ({
      name: `${row.name}, ${queues} queue pair${queues === 1 ? '' : 's'}`,
      row,
      queues,
      port,
    }));
}

/**
 * How many frames to send on a queue pair, and how many at once: rings of 256 descriptors go round, and never overflow (a
 * frame of 9000 bytes takes up to 6 descriptors, testpmd refills in batches of 32).
 */
export function exchangePlan(length: number, queues = 1): { count: number; window: number } {
  if (length > 2048) return { count: 200, window: 24 };
  return { count: queues === 1 ? 1000 : 300, window: 96 };
}
