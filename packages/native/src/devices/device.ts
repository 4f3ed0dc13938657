import { closeSync, constants, open, openSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { addon } from '../addon.ts';
import { type KnownErrors, attempt, systemError } from '../system-error.ts';

/**
 * Opens a character device for reading and writing, non-blocking and close-on-exec. The descriptor is the caller's.
 * @param known what particular errnos mean here, see `systemError`
 */
export function openDevice(path: string, known?: KnownErrors): number {
  return attempt(() => addon.openDevice(path), `open ${path}`, known);
}

/**
 * One ioctl. Bytes are the structure it reads and writes in place, at least as many as the request number says; a
 * number is passed by value.
 * @param what the thing that is tried, for the message of a failure: "cannot " + what
 * @param known what particular errnos mean here, see `systemError`
 * @returns what the kernel answers, 0 or more
 */
export function ioctl(
  fd: number,
  request: number,
  argument: Uint8Array | number,
  what: string,
  known?: KnownErrors,
): number {
  return attempt(() => addon.ioctl(fd, request, argument), what, known);
}

/**
 * The same for an ioctl that may sleep, as those do that a device in another process answers: it runs on another
 * thread. Until it ends the bytes are the kernel's; it cannot be taken back.
 * @throws VioError as `ioctl`
 */
export async function ioctlAsync(
  fd: number,
  request: number,
  bytes: Uint8Array,
  what: string,
  known?: KnownErrors,
): Promise<number> {
  try {
    return await addon.ioctlAsync(fd, request, bytes);
  } catch (error) {
    throw systemError(error, what, known);
  }
}

/** The same as `openDevice` for a device that takes its time to be opened. @throws VioError as that */
export async function openDeviceAsync(path: string, known?: KnownErrors): Promise<number> {
  try {
    const fd = await promisify(open)(path, constants.O_RDWR | constants.O_NONBLOCK);
    addon.ownFd(fd);
    return fd;
  } catch (error) {
    throw systemError(withErrno(error), `open ${path}`, known);
  }
}

/** Writes one message to a device, whole, on another thread. @throws VioError VIO_SYS_*, or what is `known` */
export async function writeAsync(
  fd: number,
  message: Uint8Array,
  what: string,
  known?: KnownErrors,
): Promise<void> {
  try {
    await promisify(write)(fd, message);
  } catch (error) {
    throw systemError(withErrno(error), what, known);
  }
}

/** A socket for ioctls on network interfaces; it sees those of the network namespace it was made in. */
export function controlSocket(): number {
  return attempt(() => addon.controlSocket(), 'make a socket for network interfaces');
}

/** Where a buffer lies in this process. */
export function bufferAddress(buffer: ArrayBuffer): bigint {
  return addon.bufferAddress(buffer);
}

/**
 * Runs something synchronous in another network namespace, and comes back.
 * @param path as `/run/netns/blue` or `/proc/PID/ns/net`
 * @throws VioError VIO_NETNS_MISSING, VIO_NETNS_PERMISSION
 */
export function inNetworkNamespace<T>(path: string, action: () => T): T {
  const known = {
    ENOENT: { code: 'VIO_NETNS_MISSING', remedy: 'make it with `ip netns add`, or give /proc/PID/ns/net' },
    EINVAL: { code: 'VIO_NETNS_MISSING', remedy: 'give the path of a network namespace' },
    EPERM: { code: 'VIO_NETNS_PERMISSION', remedy: 'run with CAP_SYS_ADMIN' },
    EACCES: { code: 'VIO_NETNS_PERMISSION', remedy: 'run as a user who may enter it' },
  };
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    const away = attempt(() => openForErrno(path), `open ${path}`, known);
    try {
      attempt(() => addon.enterNetwork(away), `enter the network namespace ${path}`, known);
    } finally {
      closeSync(away);
    }
    try {
      return action();
    } finally {
      addon.enterNetwork(home);
    }
  } finally {
    closeSync(home);
  }
}

/** Read-only, failing as native calls do. */
function openForErrno(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw withErrno(error);
  }
}

/** Errors of Node's own calls have negative errnos, native calls positive ones. */
function withErrno(error: unknown): unknown {
  if (error instanceof Error && 'errno' in error) error.errno = -Number(error.errno);
  return error;
}
