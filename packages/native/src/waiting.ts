import { VioError } from './error.ts';
import { type OptionNames, checkOptions } from './options.ts';
import { longestTimer } from './timeouts.ts';

/** How long an asynchronous operation may take. */
export interface WaitOptions {
  /** Milliseconds; undefined waits forever, unless the call has a default, and Infinity does always. */
  readonly timeout?: number | undefined;
  /** Gives up when it aborts, with VIO_ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

/** Their names, for calls that have other options besides. */
export const waitNames: OptionNames<WaitOptions> = { timeout: true, signal: true };

/**
 * For calls that have no other options.
 * @param where as for `checkOptions`
 * @throws VioError VIO_OPTION_UNKNOWN
 */
export function checkWait(where: string, wait: WaitOptions | undefined): void {
  checkOptions(where, wait, waitNames);
}

/**
 * A promise with an end: settles as `start` says, or rejects when time or patience runs out. `start` returns what
 * must be undone in every case.
 * @throws VioError VIO_TIMEOUT, VIO_ABORTED, VIO_OPTION_VALUE for a timeout that is no number
 */
export function settle<T>(
  what: string,
  options: WaitOptions,
  start: (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void,
): Promise<T> {
  const { timeout, signal } = options;
  return new Promise<T>((resolve, reject) => {
    checkTimeout(what, timeout);
    let undo: (() => void) | undefined;
    let settled = false;
    const finish = (deliver: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      undo?.();
      deliver();
    };
    const onAbort = (): void => finish(() => reject(abortedError(what, signal?.reason)));
    const timer =
      timeout === undefined || timeout > longestTimer
        ? undefined
        : setTimeout(() => finish(() => reject(timeoutError(what, timeout))), timeout);
    if (signal?.aborted === true) return onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      undo = start(
        (value) => finish(() => resolve(value)),
        (reason) => finish(() => reject(reason)),
      );
      if (settled) undo();
    } catch (error) {
      finish(() => reject(error));
    }
  });
}

/** Makes the error of an operation that took too long. @param timeout milliseconds it had */
export function timeoutError(what: string, timeout: number): VioError {
  return new VioError(`${what} took longer than ${timeout} ms`, {
    code: 'VIO_TIMEOUT',
    remedy: 'see whether the other side runs and answers; allow more time if it is merely slow',
    retryable: true,
  });
}

/** @throws VioError VIO_OPTION_VALUE for a timeout that is no number */
export function checkTimeout(what: string, timeout: number | undefined): void {
  if (timeout === undefined || timeout >= -Infinity) return;
  throw new VioError(`${what} cannot have a timeout of ${timeout}`, {
    code: 'VIO_OPTION_VALUE',
    remedy: 'give milliseconds, or Infinity',
  });
}

/** Makes the error of an operation whose signal aborted. */
export function abortedError(what: string, cause: unknown): VioError {
  return new VioError(`${what} was aborted`, {
    code: 'VIO_ABORTED',
    remedy: 'nothing to mend: the AbortSignal given to the call was aborted',
    retryable: true,
    cause,
  });
}
