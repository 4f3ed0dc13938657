/** What `vio inspect` was asked for. */
export interface InspectOptions {
  readonly features?: string;
  readonly timeout: number;
  readonly rings?: true;
  readonly json?: true;
}
