import { readFileSync, readlinkSync } from 'node:fs';
import { quoted } from '@vio/native/internal';
import { switchError } from '../config/errors.ts';

/** The first descriptor that is passed (SD_LISTEN_FDS_START). */
const firstFd = 3;
/** Flags of a socket that listens, in /proc/net/unix (__SO_ACCEPTCON). */
const accepting = 0x1_0000;
const stream = 1;

/** What a service can be given by systemd, each by the name of its descriptor (FileDescriptorName). */
export interface PassedSockets {
  /** Of the control socket. */
  readonly control: { readonly fd: number; readonly path: string } | undefined;
  /** Where /health and /metrics are served. */
  readonly http: { readonly fd: number; readonly path: string | undefined } | undefined;
}

/**
 * Takes over the sockets that systemd has made for this process (sd_listen_fds(3)). The variables are deleted, so that no child
 * thinks they are for it.
 * @throws VioError VIO_SWITCH_ACTIVATION for what cannot be used: whoever listens there would wait for nobody
 */
export function passedSockets(env: Record<string, string | undefined> = process.env): PassedSockets {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (pid === undefined || count === undefined || Number(pid) !== process.pid)
    return { control: undefined, http: undefined };
  const fds = fdsByName(count, names ?? '');
  const [control, http] = [fds.get('control'), fds.get('http')];
  return {
    control: control === undefined ? undefined : { fd: control, path: controlPath(control) },
    http: http === undefined ? undefined : { fd: http, path: unixSocket(http)?.path },
  };
}

function fdsByName(text: string, names: string): Map<string, number> {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw unusable(`LISTEN_FDS is ${quoted(text)}`, 'give the number of sockets');
  const listed = names.split(':');
  const fds = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const name = listed[i] ?? '';
    if ((name !== 'control' && name !== 'http') || fds.has(name)) {
      throw unusable(
        `socket ${i + 1} of ${count} has the name ${quoted(name)}`,
        'pass one with FileDescriptorName=control, and one with FileDescriptorName=http at most',
      );
    }
    fds.set(name, firstFd + i);
  }
  return fds;
}

function controlPath(fd: number): string {
  const socket = unixSocket(fd);
  if (socket?.listens === true) return socket.path;
  throw unusable(
    'the control socket is no Unix socket that listens',
    'say ListenStream=/run/vio/switch.sock',
  );
}

/** What a descriptor is, if it is a Unix stream socket. */
function unixSocket(fd: number): { readonly path: string; readonly listens: boolean } | undefined {
  let lines: string[];
  let inode: string | undefined;
  try {
    inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
    lines = readFileSync('/proc/self/net/unix', 'utf8').split('\n');
  } catch (cause) {
    throw unusable(`descriptor ${fd} is not open`, 'pass as many sockets as LISTEN_FDS says', cause);
  }
  for (const line of lines) {
    const [, , , flags, type, , number, ...path] = line.trim().split(/ +/);
    if (inode === undefined || number !== inode) continue;
    const listens = (Number.parseInt(flags, 16) & accepting) !== 0 && Number.parseInt(type, 16) === stream;
    return { path: path.join(' '), listens };
  }
  return undefined;
}

function unusable(message: string, remedy: string, cause?: unknown) {
  return switchError('ACTIVATION', `the sockets of systemd cannot be used: ${message}`, remedy, cause);
}
