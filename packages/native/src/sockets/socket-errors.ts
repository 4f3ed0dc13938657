import { VioError } from '../error.ts';

/** Longest socket path in bytes: sun_path without its closing zero. */
export const maxSocketPath = 107;

/** @throws VioError VIO_SOCKET_PATH_TOO_LONG, VIO_SOCKET_PATH_INVALID (empty, or with a zero byte) */
export function checkSocketPath(path: string): void {
  if (path === '' || path.includes('\0')) {
    throw new VioError(`${JSON.stringify(path)} is no path of a socket`, {
      code: 'VIO_SOCKET_PATH_INVALID',
      remedy: 'give the path of a file; abstract sockets are not supported',
    });
  }
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPath) return;
  throw new VioError(`the socket path ${path} has ${bytes} bytes, the limit is ${maxSocketPath}`, {
    code: 'VIO_SOCKET_PATH_TOO_LONG',
    remedy: 'use a shorter directory, or a path relative to the working directory',
  });
}

/** What the errnos of connect mean to somebody who wants to reach a backend. */
export const connectErrors = {
  ENOENT: {
    code: 'VIO_SOCKET_MISSING',
    remedy:
      'start the other side first (it creates the socket), mount the directory, or listen yourself (server=1)',
    retryable: true,
  },
  ENOTDIR: { code: 'VIO_SOCKET_MISSING', remedy: 'a part of the path is no directory: correct the path' },
  ECONNREFUSED: {
    code: 'VIO_SOCKET_REFUSED',
    remedy:
      'nobody listens on this socket (or it is no socket): start the other side; a stale file may be removed',
    retryable: true,
  },
  ENOTSOCK: { code: 'VIO_SOCKET_NOT_A_SOCKET', remedy: 'give the path of a Unix socket' },
  EPROTOTYPE: {
    code: 'VIO_SOCKET_NOT_A_SOCKET',
    remedy: 'the socket is not of type SOCK_STREAM: correct the path',
  },
  EACCES: {
    code: 'VIO_SOCKET_PERMISSION',
    remedy:
      'allow this user to write to the socket and to search its directory (chmod, chown, SELinux context)',
  },
};

const rights = {
  code: 'VIO_SOCKET_PERMISSION',
  remedy: 'choose a mode, uid and gid this user may give away',
};

/** What the errnos of bind and listen mean. */
export const listenErrors = {
  ENOTDIR: { code: 'VIO_SOCKET_MISSING', remedy: 'a part of the path is no directory: correct the path' },
  EADDRINUSE: {
    code: 'VIO_SOCKET_IN_USE',
    remedy: 'another process listens there: stop it or choose another path',
    retryable: true,
  },
  ENOENT: { code: 'VIO_SOCKET_MISSING', remedy: 'create the directory of the socket first' },
  EACCES: {
    code: 'VIO_SOCKET_PERMISSION',
    remedy: 'allow this user to create files in the directory of the socket',
  },
  'chmod EPERM': rights,
  'chown EPERM': rights,
};

export function closedError(what: string): VioError {
  return new VioError(`${what}: the socket is closed`, {
    code: 'VIO_SOCKET_CLOSED',
    remedy: 'the other side ended the connection or this side closed it: connect again',
    retryable: true,
  });
}
