/** By what ports are sorted. */
export const sortKeys = ['rate', 'name', 'drops'] as const;

export type SortKey = (typeof sortKeys)[number];

/** What `vio top` was asked for. */
export interface TopOptions {
  /** Seconds between two looks. */
  readonly interval: number;
  readonly sort: SortKey;
  readonly queues?: true;
  readonly once?: true;
  readonly json?: true;
}
