import { setMaxListeners } from 'node:events';
import type { WaitOptions } from '@vio/native';

/**
 * Requests that are called for one behind the other: the transport has them go out in this order, and none waits here for the one
 * before. All of them have ended when this settles, so that their descriptors may be closed.
 * @param wait the time and patience that each of them has
 * @param call calls for them, with a patience of its own
 * @throws what the first that failed has thrown
 */
export async function inTurn(
  wait: WaitOptions,
  call: (wait: WaitOptions) => readonly (Promise<unknown> | undefined)[],
): Promise<unknown[]> {
  const { patience, end } = forMany(wait);
  const ended = await Promise.allSettled(call(patience).map((each) => each ?? Promise.resolve()));
  end();
  return ended.map((each) => {
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
}

/** All of them listen at once, of which Node warns where the signal is the caller's. */
function forMany({ timeout, signal }: WaitOptions): { patience: WaitOptions; end: () => void } {
  if (signal === undefined) return { patience: { timeout }, end: () => {} };
  const own = new AbortController();
  setMaxListeners(0, own.signal);
  const abort = (): void => own.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  return { patience: { timeout, signal: own.signal }, end: () => signal.removeEventListener('abort', abort) };
}
