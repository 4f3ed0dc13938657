import { expect } from 'vitest';

/** An error as the packages throw them, a `VioError`: this package imports none of them, their tests import it. */
export interface Failure extends Error {
  readonly code: string;
  readonly remedy: string;
  readonly retryable: boolean;
}

/** The error of the family that a call throws; anything else, and nothing at all, fails the test. */
export function failureOf(call: () => unknown): Failure {
  try {
    call();
  } catch (error) {
    if (isFailure(error)) return error;
    throw error;
  }
  throw new Error('no failure');
}

/** The error of the family that a promise is rejected with; anything else, and nothing at all, fails the test. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Failure> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (isFailure(error)) return error;
  throw error ?? new Error('no failure');
}

/** The code of what a promise is rejected with, or `no error`; an error that is not of the family fails the test. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isFailure(error)) return error.code;
    throw error;
  }
  return 'no error';
}

/** The same of what a call throws. */
export function codeOfCall(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isFailure(error)) return error.code;
    throw error;
  }
  return 'no error';
}

/** What handlers of an application throw. */
export const applicationError = new Error('application');

/** Such a handler. */
export function failingHandler(): never {
  throw applicationError;
}

/** What an error with this code is like, for `toThrow`. */
export function coded(code: string): unknown {
  return expect.objectContaining({ code });
}

/** As `VioError.is` has it. */
function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && Symbol.for('vio.error') in error;
}
