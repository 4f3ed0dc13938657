/** What `vio switch run` was asked for. */
export interface SwitchRunOptions {
  readonly config: string;
  readonly control?: string;
  readonly state?: string;
  readonly http?: string;
  readonly telemetry?: string | false;
  readonly json?: true;
}

/** What is asked of a switch that runs. */
export interface CallOptions {
  readonly control?: string;
  readonly timeout: number;
  readonly json?: true;
}
