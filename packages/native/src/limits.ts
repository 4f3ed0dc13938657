import { addon } from './addon.ts';
import { attempt } from './system-error.ts';

/** A resource limit of this process in bytes (memlock) or descriptors (nofile); Infinity when there is none. */
export function resourceLimit(name: 'memlock' | 'nofile'): { soft: number; hard: number } {
  const [soft, hard] = attempt(() => addon.resourceLimit(name), `read the ${name} limit`);
  return { soft, hard };
}

/** Milliseconds after which a thread that waits looks whether it was terminated: a system call cannot be. */
const longestWait = 500;

/**
 * Blocks the calling thread until one of the fds is readable (or at its end) or time is over. For worker threads, which can be
 * terminated meanwhile.
 * @param timeoutMs milliseconds; -1: no limit
 * @returns false when time was over
 * @throws VioError VIO_SYS_EBADF when one is not open
 */
export function waitReadable(fds: number | readonly number[], timeoutMs: number): boolean {
  const list = typeof fds === 'number' ? [fds] : fds;
  const wait = (ms: number): boolean =>
    attempt(() => addon.waitReadable(list, ms), `wait for file descriptors ${list.join(', ')}`);
  const end = timeoutMs < 0 ? Infinity : performance.now() + timeoutMs;
  for (;;) {
    const left = end - performance.now();
    if (left <= longestWait) return wait(Math.max(0, Math.ceil(left)));
    if (wait(longestWait)) return true;
  }
}
