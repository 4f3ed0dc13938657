import { addon } from './addon.ts';
import { attempt } from './system-error.ts';

/** A resource limit of this process in bytes (memlock) or descriptors (nofile); Infinity when there is none. */
export function resourceLimit(name: 'memlock' | 'nofile'): { soft: number; hard: number } {
  const [soft, hard] = attempt(() => addon.resourceLimit(name), `read the ${name} limit`);
  return { soft, hard };
}

/**
 * Blocks the calling thread until an fd is readable (or at its end) or `timeoutMs` (-1: forever) is over. For worker
 * threads. @throws VioError VIO_SYS_EBADF when it is not open
 */
export function waitReadable(fd: number, timeoutMs: number): boolean {
  return attempt(() => addon.waitReadable(fd, timeoutMs), `wait for file descriptor ${fd}`);
}
