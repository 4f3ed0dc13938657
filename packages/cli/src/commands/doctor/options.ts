/** What `vio doctor` was asked for. */
export interface DoctorOptions {
  readonly timeout: number;
  readonly json?: true;
}
