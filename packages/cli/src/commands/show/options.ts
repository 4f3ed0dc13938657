/** What `vio show` was asked for. */
export interface ShowOptions {
  /** Number of the port or device; undefined: all. */
  readonly port?: number;
  readonly svg?: true;
  readonly json?: true;
}
