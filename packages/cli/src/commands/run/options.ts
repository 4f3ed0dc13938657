import type { ForwardOptions } from '../../options/forward-options.ts';

/** What `vio run` was asked for. */
export interface RunOptions extends ForwardOptions {
  readonly timeout: number;
  readonly wait?: true;
  readonly reconnect?: true;
  readonly xstats?: true;
  readonly verbose?: true;
  readonly pcap?: string;
  readonly snaplen: number;
}
