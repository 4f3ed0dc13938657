/** The error codes of the CNI specification, and from 100 on this plugin's own. */
export const codes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailed: 6,
  invalidConf: 7,
  tryAgainLater: 11,
  unavailable: 50,
  /** The container has this interface already. */
  exists: 100,
  /** CHECK: the port is gone, or is not as it was made. */
  notAsAdded: 101,
  /** The switch refuses. */
  refused: 102,
} as const;

/** A failure as a CNI runtime is told of it. */
export class CniError extends Error {
  /** Of the specification, or from 100 on. */
  readonly code: number;
  /** What can be done about it. */
  readonly details: string;

  constructor(code: number, message: string, details: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CniError';
    this.code = code;
    this.details = details;
  }
}
