import { chownSync, lstatSync, mkdirSync, realpathSync, rmSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Conf } from './conf.ts';
import type { Environment } from './environment.ts';
import { CniError, codes } from './errors.ts';

/** sun_path without its closing zero; here as well, because the plugin does not load the addon that checks it elsewhere. */
const maxSocketPath = 107;

/** Where the socket of an attachment is. */
export interface SocketPlace {
  /** On this machine. */
  readonly path: string;
  /** As the container sees it. */
  readonly inContainer: string;
  /** What the container may read beside it: the same as in the device-info file. */
  readonly infoFile: string;
  /** The directory is this container's alone, by its name: it goes with the container. */
  readonly ownDirectory: boolean;
}

/**
 * Works out the path. `{podUid}`, `{podName}`, `{podNamespace}`, `{containerId}`, `{ifName}` and `{deviceId}` stand in `socketDir` for
 * what the runtime says. In a directory of its own the file is called by the interface alone.
 * @throws CniError 7 when the runtime does not say what is named, or the path is too long for a socket
 */
export function socketPlace(conf: Conf, { attachment, args }: Environment): SocketPlace {
  const { containerId = '', ifName = '' } = attachment ?? {};
  const values: Readonly<Record<string, string | undefined>> = {
    podUid: args.get('K8S_POD_UID'),
    podName: args.get('K8S_POD_NAME'),
    podNamespace: args.get('K8S_POD_NAMESPACE'),
    containerId,
    ifName,
    deviceId: conf.deviceId,
  };
  const directory = conf.socketDir.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value !== undefined && /^[\w.@:-]+$/.test(value) && !/^\.+$/.test(value)) return value;
    throw new CniError(
      codes.invalidConf,
      `socketDir names {${name}}, which the runtime does not say, or which is no name of a directory`,
      'see the README of @vio/cni for the names there are; K8S_POD_UID comes with containerd and CRI-O of 2021 on',
    );
  });
  const own = directory !== conf.socketDir;
  // Everything an interface may be called can be a file; a dot in front would hide it.
  const file = own ? ifName : `${containerId.slice(0, 12)}-${ifName}`;
  const path = join(directory, `${file}.sock`);
  if (Buffer.byteLength(path) > maxSocketPath) {
    throw new CniError(
      codes.invalidConf,
      `the socket path ${path} has ${Buffer.byteLength(path)} bytes, the limit is ${maxSocketPath}`,
      'choose a shorter socketDir',
    );
  }
  const inContainer = join(conf.containerDir ?? directory, `${file}.sock`);
  const ownDirectory = conf.socketDir.endsWith('{containerId}');
  return { path, inContainer, infoFile: infoBeside(path), ownDirectory };
}

/** The place of a socket of which nothing but its path is known. */
export function placeOf(path: string): SocketPlace {
  return { path, inContainer: path, infoFile: infoBeside(path), ownDirectory: false };
}

const infoBeside = (socket: string): string => socket.replace(/\.sock$/, '.json');

/**
 * Removes what an attachment leaves: its information, the socket of an application that listened and was killed, and a directory
 * that nobody else can have. A file that is no socket stays.
 * @throws CniError 5
 */
export function clearPlace({ path, infoFile, ownDirectory }: SocketPlace): void {
  // Who owns the directory may have put a link in its place: what is behind it is not ours.
  const directory = dirname(path);
  if (lstatSync(directory, { throwIfNoEntry: false }) === undefined || !isItself(directory)) return;
  removeFile(infoFile);
  if (lstatSync(path, { throwIfNoEntry: false, bigint: true })?.isSocket() === true) removeFile(path);
  if (!ownDirectory) return;
  try {
    rmdirSync(directory);
  } catch {
    // It is gone, or somebody has put something into it.
  }
}

/** Makes the directory if there is none, and refuses what is reached by a link. @throws CniError 5 */
export function prepareDirectory({ path }: SocketPlace, { uid, gid }: Pick<Conf, 'uid' | 'gid'>): void {
  const directory = dirname(path);
  let isDirect: boolean;
  try {
    // Before as well: nothing is made at the other end of a link.
    isDirect = isItself(nearestThatIs(directory));
    if (isDirect) {
      const made = mkdirSync(directory, { recursive: true, mode: 0o755 });
      if (made !== undefined && (uid !== undefined || gid !== undefined)) {
        const { uid: owner, gid: group } = lstatSync(directory);
        chownSync(directory, uid ?? owner, gid ?? group);
      }
      isDirect = isItself(directory);
    }
  } catch (cause) {
    throw unusable(directory, 'cannot be made', cause);
  }
  if (!isDirect) throw unusable(directory, 'is none, or is reached by a link');
}

/** It, or the nearest above it that is there. */
function nearestThatIs(directory: string): string {
  let place = directory;
  while (lstatSync(place, { throwIfNoEntry: false }) === undefined) place = dirname(place);
  return place;
}

/** A directory, under its own name. */
function isItself(directory: string): boolean {
  return lstatSync(directory).isDirectory() && realpathSync(directory) === directory;
}

/** Removes a file that is ours; one that is not there is removed already. @throws CniError 5 */
export function removeFile(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (cause) {
    throw unusable(path, 'cannot be removed', cause);
  }
}

function unusable(path: string, what: string, cause?: unknown): CniError {
  return new CniError(
    codes.ioFailure,
    `${path} ${what}`,
    'see that it is a directory this plugin may write to, without links',
    cause,
  );
}
