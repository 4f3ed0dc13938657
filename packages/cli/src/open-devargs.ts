import { setTimeout as sleep } from 'node:timers/promises';
import { VioError } from '@vio/native';
import { type OpenOptions, type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { completedDevargs } from './options/devargs.ts';

/** Milliseconds between two looks for a backend that is not there. */
const waitInterval = 100;

/** Opens the port that somebody has named on the command line. @throws VioError as `openVirtioUser` does */
export function openDevargs(text: string, options: OpenOptions): Promise<VirtioUserPort> {
  return openVirtioUser(completedDevargs(text), options);
}

/**
 * The same, as soon as the backend is there.
 * @param onWaiting is told once why it has to wait
 */
export async function openWhenThere(
  text: string,
  options: OpenOptions,
  onWaiting: (reason: VioError) => void,
): Promise<VirtioUserPort> {
  for (let told = false; ; told = true) {
    try {
      return await openDevargs(text, options);
    } catch (error) {
      if (!VioError.is(error) || !isAbsence(error, text)) throw error;
      if (!told) onWaiting(error);
    }
    // Who ends the wait is told by the next attempt.
    await sleep(waitInterval, undefined, { signal: options.signal }).catch(() => {});
  }
}

/** Nobody is there: no socket, nobody who listens, or nobody who connects. */
function isAbsence({ code, retryable }: VioError, text: string): boolean {
  if (code === 'VIO_TIMEOUT') return /(^|,)\s*server=1\s*(,|$)/.test(text);
  return retryable && (code === 'VIO_SOCKET_MISSING' || code === 'VIO_SOCKET_REFUSED');
}
