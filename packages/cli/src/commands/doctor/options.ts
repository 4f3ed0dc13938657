/** What `vio doctor` was asked for. */
export interface DoctorOptions {
  readonly timeout: number;
  /** Without a backend nothing is right. */
  readonly expectBackend?: true;
  /** Undefined: a port is started where that disturbs nobody; true: in any case; false: nothing is even connected to. */
  readonly start?: true;
  readonly connect: boolean;
  readonly json?: true;
}
