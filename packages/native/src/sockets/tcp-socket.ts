import { addon } from '../addon.ts';
import { attempt } from '../system-error.ts';
import { listenErrors } from './socket-errors.ts';

/**
 * Listens on a TCP port; what `UnixListener.adopt` takes over.
 * @param address in figures, as in `127.0.0.1` or `::1`
 * @param port 0: any that is free
 * @param backlog connections that may wait to be accepted
 * @returns the descriptor, which is the caller's
 * @throws VioError VIO_SOCKET_IN_USE, VIO_SOCKET_PERMISSION, VIO_SYS_EADDRNOTAVAIL
 */
export function listenTcp(address: string, port: number, backlog: number): number {
  return attempt(() => addon.tcpListen(address, port, backlog), `listen on ${address} port ${port}`, {
    EADDRINUSE: listenErrors.EADDRINUSE,
    EACCES: {
      code: 'VIO_SOCKET_PERMISSION',
      remedy: 'choose a port from 1024 on, or run with CAP_NET_BIND_SERVICE',
    },
    EADDRNOTAVAIL: {
      code: 'VIO_SYS_EADDRNOTAVAIL',
      remedy: 'choose an address that this machine has (ip address)',
    },
  });
}

/** Address in figures and port of a socket's own end; undefined: it is no TCP socket. */
export function tcpAddressOf(fd: number): readonly [address: string, port: number] | undefined {
  return attempt(() => addon.tcpAddress(fd), `ask file descriptor ${fd} for its address`);
}
