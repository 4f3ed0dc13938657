/**
 * Throws an error on a later tick, where nobody is in the middle of something: an `uncaughtException`, as of any exception in a
 * callback of Node's event loop.
 */
export function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}

/**
 * Runs code of the application that was given to us to be called: whatever it throws, what we are about to do is done, and
 * the error is told once, as an `uncaughtException` on a later tick.
 */
export function callApplication(call: () => void): void {
  try {
    call();
  } catch (error) {
    throwLater(error);
  }
}
