import { VioError } from '@vio/native';

/** The VioError a call throws; anything else, and nothing at all, fails the test. */
export function failureOf(call: () => unknown): VioError {
  try {
    call();
  } catch (error) {
    if (VioError.is(error)) return error;
    throw error;
  }
  throw new Error('no failure');
}

/** The VioError a promise rejects with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<VioError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (VioError.is(error)) return error;
  throw error ?? new Error('no failure');
}
