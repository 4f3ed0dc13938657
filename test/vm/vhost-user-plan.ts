/** UDP: the backend dies of a datagram to this port, before it has answered any of the burst it came with. */
export const lastPort = 9;

/** What a backend process says, a line each. */
export interface Said {
  /** It listens, or looks for somebody who does. */
  readonly started?: true;
  /** A device is ready. */
  readonly device?: { readonly packed: boolean; readonly pairs: number };
  /** By queue pair, how many came. */
  readonly datagrams?: readonly number[];
  /** A ring whose base was not what the frontend said. */
  readonly corrected?: number;
  /** A device's rings, as a person reads them: the answer to `ringsWanted`. */
  readonly rings?: string;
  /** What should not happen. */
  readonly trouble?: string;
}
