import type { ForwardOptions } from '../../options/forward-options.ts';

/** What `vio backend` was asked for. */
export interface BackendOptions extends ForwardOptions {
  readonly client?: true;
  readonly queues: number;
}
