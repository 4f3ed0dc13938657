import { closeSync, fchmodSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Conf } from '../conf.ts';
import { CniError, codes } from '../errors.ts';

/** What the container is told of its interface: the network plumbing working group's device information, and what a driver needs besides. */
export interface DeviceInfo {
  readonly type: 'vhost-user';
  readonly version: '1.1.0';
  readonly 'vhost-user': { readonly mode: 'client' | 'server'; readonly path: string };
  /** Not of the working group. */
  readonly vio: {
    readonly mac: string;
    readonly mtu?: number;
    readonly queues: number;
    readonly network: string;
    /** Whose it is. */
    readonly container: string;
  };
}

export function deviceInfo(conf: Conf, container: string, path: string, mac: string): DeviceInfo {
  return {
    type: 'vhost-user',
    version: '1.1.0',
    'vhost-user': { mode: conf.mode, path },
    vio: {
      mac,
      queues: conf.queues,
      network: conf.name,
      container,
      ...(conf.mtu === undefined ? {} : { mtu: conf.mtu }),
    },
  };
}

/** Writes it, readable for everybody, as a whole or not at all. @throws CniError 5 */
export function writeDeviceInfo(file: string, info: DeviceInfo): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    // The directory may be the container's own: nothing is followed by name a second time.
    const fd = openSync(temporary, 'wx', 0o644);
    try {
      fchmodSync(fd, 0o644);
      writeFileSync(fd, `${JSON.stringify(info)}\n`);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new CniError(
      codes.ioFailure,
      `${file} cannot be written`,
      'see that its directory is there and has room',
      cause,
    );
  }
}

/** @returns the container that a file was written for; undefined when there is none, or it does not say */
export function containerOf(file: string): string | undefined {
  try {
    const info = JSON.parse(readFileSync(file, 'utf8')) as { vio?: { container?: unknown } } | null;
    const container = info?.vio?.container;
    return typeof container === 'string' ? container : undefined;
  } catch {
    return undefined;
  }
}
