/** What every vio error carries besides its message. */
export interface VioErrorDetails {
  /** Stable machine-readable code, `VIO_...`. */
  readonly code: string;
  /** What the user can do about it, in one sentence. */
  readonly remedy: string;
  /** True when the same call may succeed later without any change by the caller. */
  readonly retryable?: boolean;
  /** The error behind it, if there is one. */
  readonly cause?: unknown;
}

const brand = Symbol.for('vio.error');

/**
 * The one error family of vio: a stable `code`, what happened (`message`), what to do (`remedy`), whether
 * trying again makes sense (`retryable`) and the underlying `cause`.
 */
export class VioError extends Error {
  /** What happened, for programs: `VIO_` and words that stay the same from release to release. */
  readonly code: string;
  /** What the user can do about it, in one sentence. */
  readonly remedy: string;
  /** The same call may succeed later without any change by the caller. */
  readonly retryable: boolean;
  readonly [brand] = true;

  constructor(message: string, details: VioErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'VioError';
    this.code = details.code;
    this.remedy = details.remedy;
    this.retryable = details.retryable ?? false;
  }

  /** Recognises a VioError even when two copies of this package are loaded. */
  static is(value: unknown): value is VioError {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
