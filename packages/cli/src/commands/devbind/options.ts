/** What `vio devbind` was asked for. */
export interface DevbindOptions {
  readonly status?: true;
  readonly bind?: string;
  readonly unbind?: true;
  readonly force?: true;
  readonly sysfs?: string;
  readonly json?: true;
}
