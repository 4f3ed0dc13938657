import { type BigIntStats, fstatSync, statSync } from 'node:fs';
import { addon } from '../addon.ts';
import { attempt } from '../system-error.ts';

/**
 * Closes a file descriptor. What this package opens belongs to the thread that opened it until then, and goes with it, as
 * when a worker is terminated; see `disownFd`.
 * @throws VioError VIO_SYS_EBADF when it is not open
 */
export function closeFd(fd: number): void {
  attempt(() => addon.closeFd(fd), `close file descriptor ${fd}`);
}

/** For a descriptor that somebody else will close, in another way or another thread: it does not go with this thread. */
export function disownFd(fd: number): void {
  addon.disownFd(fd);
}

/** A second descriptor of the same open file, close-on-exec. */
export function dupFd(fd: number): number {
  return attempt(() => addon.dupFd(fd), `duplicate file descriptor ${fd}`);
}

/**
 * Whatever may be a socket or a pipe is looked at with this: of numbers, Node 20 keeps what it has seen last, and takes a link to a package
 * for the package itself when that was one. What is imported then is a second copy of a module that is there.
 */
export const inBigInts = { bigint: true } as const;

/**
 * What an open descriptor is. Deno's `fstatSync` knows descriptors that it has opened itself, and no others.
 * @throws the system's error when it is not open
 */
export function statOfFd(fd: number): BigIntStats {
  const known = process.versions['deno'] === undefined;
  return known ? fstatSync(fd, inBigInts) : statSync(`/proc/self/fd/${fd}`, inBigInts);
}

/** What a path or a descriptor is. */
export type FileKind = 'missing' | 'socket' | 'character-device' | 'file' | 'directory' | 'other';

/** What a path or an open descriptor is. Never throws: what cannot be looked at is `missing`. */
export function fileKind(pathOrFd: string | number): FileKind {
  let stats: BigIntStats;
  try {
    stats = typeof pathOrFd === 'number' ? statOfFd(pathOrFd) : statSync(pathOrFd, inBigInts);
  } catch {
    return 'missing';
  }
  if (stats.isSocket()) return 'socket';
  if (stats.isCharacterDevice()) return 'character-device';
  if (stats.isFile()) return 'file';
  return stats.isDirectory() ? 'directory' : 'other';
}

/** Bytes of the file behind a descriptor; 0 when it is not open. */
export function sizeOfFd(fd: number): number {
  try {
    return Number(statOfFd(fd).size);
  } catch {
    return 0;
  }
}

/** Seals of a memfd (fcntl F_GET_SEALS). A file that cannot be sealed has none. */
export function sealsOfFd(fd: number): { shrink: boolean; grow: boolean; write: boolean } {
  const mask = addon.seals(fd);
  const has = (bit: number): boolean => mask > 0 && (mask & bit) !== 0;
  return { shrink: has(2), grow: has(4), write: has(8) };
}
