import { constants, accessSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type FileKind, checkSocketPath, fileKind } from '@vio/native/internal';
import { type Finding, fromError, hasProblem, note, ok, problem } from './finding.ts';
import { type SocketUsers, socketUsers } from './socket-users.ts';

/** What the path of a backend showed, before anybody is asked. */
export interface PathChecks {
  readonly findings: Finding[];
  readonly kind: FileKind;
  /** Who is at the socket; undefined: nobody is seen. */
  readonly users: SocketUsers | undefined;
  /** Somebody can be asked, and it is for the port to connect. */
  readonly reachable: boolean;
}

/**
 * The path, who is there, and who may use it.
 * @param server the port listens, and the backend connects
 * @param expected a backend has to be there
 */
export function checkPath(path: string, server: boolean, expected: boolean): PathChecks {
  const kind = fileKind(path);
  const users = kind === 'socket' ? socketUsers(path) : undefined;
  const place = [...checkPlace(path, kind, expected), ...checkRole(path, kind, server, users)];
  const there = kind === 'socket' || kind === 'character-device';
  const access = hasProblem(place) || !there ? [] : checkAccess(path);
  const findings = [...place, ...access];
  return { findings, kind, users, reachable: there && !server && !hasProblem(findings) };
}

function checkPlace(path: string, kind: FileKind, expected: boolean): Finding[] {
  try {
    checkSocketPath(path);
  } catch (error) {
    return [fromError('path', error)];
  }
  if (kind === 'socket') return [ok('path', `${path} is a socket`)];
  if (kind === 'character-device') return [ok('path', `${path} is a device: the kernel is the backend`)];
  if (kind !== 'missing') {
    return [problem('path', `${path} is a ${kind}, no socket and no device`, 'give the path of the backend')];
  }
  const directory = dirname(path);
  if (fileKind(directory) !== 'directory') {
    return [
      problem('path', `there is no directory ${directory}`, 'create it, or mount it into this container'),
    ];
  }
  if (directory === '/dev') return [problem('path', `there is no device ${path}`, remedyOfDevice(path))];
  if (!expected) return [note('path', `there is nothing at ${path} yet`)];
  return [
    problem('path', `there is nothing at ${path} yet`, 'start the backend, or see why it does not start'),
  ];
}

function remedyOfDevice(path: string): string {
  if (/^\/dev\/vhost-vdpa-\d+$/.test(path))
    return 'load the module (modprobe vhost_vdpa) and make the device (vdpa dev add name NAME mgmtdev MGMT), or hand it to this container';
  if (path === '/dev/vhost-net')
    return 'load the module that makes it (modprobe vhost_net), or hand it to this container';
  return 'give /dev/vhost-net, /dev/vhost-vdpa-N, or the socket of a vhost-user backend';
}

function checkRole(path: string, kind: FileKind, server: boolean, users: SocketUsers | undefined): Finding[] {
  if (kind === 'socket' && !server)
    return [ok('role', 'the backend listens there: the port connects (server=0, the default)')];
  if (kind === 'socket' && users !== undefined) {
    return [
      problem(
        'role',
        'somebody listens there, and so would the port (server=1): both sides are servers',
        'leave server=1 out, or have the backend connect (vio backend --client, client=1 of net_vhost), or choose another path',
      ),
    ];
  }
  if (kind === 'socket')
    return [note('role', 'the port listens (server=1), in place of a socket on which nobody is seen')];
  if (kind !== 'missing' || dirname(path) === '/dev') return [];
  const directory = dirname(path);
  if (fileKind(directory) !== 'directory') return [];
  const role = server
    ? ok('role', 'the port listens (server=1), and the backend connects')
    : note(
        'role',
        'nobody listens: either side can',
        'start the backend as the server, or let the port listen (server=1) and the backend connect',
      );
  return [role, checkDirectory(directory)];
}

/** Whoever listens has to make the socket. */
function checkDirectory(directory: string): Finding {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return ok('permission', `this user may make a socket in ${directory}`);
  } catch {
    return note(
      'permission',
      `this user (${process.getuid?.() ?? '?'}) may not make a socket in ${directory}: ${rights(directory)}`,
      'let the backend listen, give this user write permission there, or mount the directory writable',
    );
  }
}

function rights(path: string): string {
  const { uid, gid, mode } = statSync(path);
  return `owner ${uid}, group ${gid}, mode ${(mode & 0o777).toString(8)}`;
}

function checkAccess(path: string): Finding[] {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return [ok('permission', 'this user may use it')];
  } catch {
    return [
      problem(
        'permission',
        `this user (${process.getuid?.() ?? '?'}) may not use it: ${rights(path)}`,
        'run as its owner or in its group, or have the backend create it with other rights',
      ),
    ];
  }
}
