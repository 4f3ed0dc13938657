import { lstatSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { VioError } from '@vio/native';
import { quoted } from '@vio/native/internal';
import { isMac } from '@vio/net/internal';
import type { VirtioUserOptions } from './config.ts';

/** Where a pod mounts the annotation of Multus by the downward API. */
const networkStatusFile = '/etc/podinfo/network-status';
/** Where a pod has the directory with its sockets. */
const socketDirectory = '/run/vio';
const mostBytes = 1 << 20;

type Fields = Readonly<Record<string, unknown>>;

/** Where `podDevargs` looks. Default: this process's environment, and the usual places. */
export interface PodPlaces {
  /** VIO_DEVARGS, VIO_DEVICE_INFO, VIO_NETWORK_STATUS and VIO_INTERFACE are read. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default `/etc/podinfo/network-status`. */
  readonly networkStatus?: string;
  /** Default `/run/vio`. */
  readonly directory?: string;
}

/**
 * What this container was given: the devargs of its port, as whoever wired it says. Looked for in this order, and the first that
 * is there is taken: devargs in `VIO_DEVARGS`; a device-info file in `VIO_DEVICE_INFO` (network plumbing working group, type
 * vhost-user); the annotation `k8s.v1.cni.cncf.io/network-status` in a file of the downward API; the only `*.json` in `/run/vio`.
 * `VIO_INTERFACE` chooses among several.
 * @throws VioError VIO_POD_NOTHING when there is nothing, VIO_POD_INTERFACE when it is not clear which, VIO_POD_INFO for what makes
 *   no sense
 */
export function podDevargs(places: PodPlaces = {}): string | VirtioUserOptions {
  const { env = process.env, directory = socketDirectory } = places;
  const { VIO_DEVARGS: devargs, VIO_DEVICE_INFO: infoFile, VIO_INTERFACE: wanted } = env;
  if (devargs !== undefined && devargs !== '') return devargs;
  if (infoFile !== undefined && infoFile !== '') return fromInfo(readJson(infoFile), infoFile);
  const statusFile = env['VIO_NETWORK_STATUS'] ?? places.networkStatus ?? networkStatusFile;
  const found = [...fromStatus(statusFile), ...(wanted === undefined ? [] : fromDirectory(directory))];
  const candidates = found.length > 0 ? found : fromDirectory(directory);
  const matching = candidates.filter(({ name }) => wanted === undefined || name === wanted);
  const [first] = matching;
  if (first !== undefined && (matching.length === 1 || wanted !== undefined))
    return fromInfo(first.info, first.where);
  throw matching.length > 1 ? severals(matching) : nothing(statusFile, directory, wanted);
}

interface Candidate {
  /** Of the interface. */
  readonly name: string;
  readonly info: unknown;
  readonly where: string;
}

/** The interfaces of the annotation that are vhost-user. */
function fromStatus(file: string): Candidate[] {
  if (!isThere(file)) return [];
  const status = readJson(file);
  if (!Array.isArray(status)) throw senseless(file, 'it is no list');
  return status.flatMap((entry: unknown) => {
    const fields = asFields(entry);
    const info = asFields(fields?.['device-info']);
    if (info?.['type'] !== 'vhost-user') return [];
    const name = fields?.['interface'];
    return [
      { name: typeof name === 'string' ? name : '', info: { mac: fields?.['mac'], ...info }, where: file },
    ];
  });
}

/** `net1.json` beside `net1.sock`. */
function fromDirectory(directory: string): Candidate[] {
  if (!isThere(directory)) return [];
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  return files.toSorted().map((file) => {
    const where = join(directory, file);
    return { name: file.slice(0, -'.json'.length), info: readJson(where), where };
  });
}

function fromInfo(info: unknown, where: string): VirtioUserOptions {
  const fields = asFields(info);
  const place = asFields(fields?.['vhost-user']);
  const path = place?.['path'];
  const mode = place?.['mode'];
  if (fields?.['type'] !== 'vhost-user' || typeof path !== 'string' || path === '')
    throw senseless(where, 'it is no device information of type vhost-user with a path');
  if (mode !== 'client' && mode !== 'server') throw senseless(where, `its mode is ${quoted(String(mode))}`);
  const { mac = fields['mac'], queues } = asFields(fields['vio']) ?? {};
  return {
    path,
    server: mode === 'server',
    ...(typeof mac === 'string' && isMac(mac) ? { mac } : {}),
    ...(typeof queues === 'number' ? { queues } : {}),
  };
}

function readJson(file: string): unknown {
  try {
    if (lstatSync(file).size > mostBytes) throw senseless(file, `it has more than ${mostBytes} bytes`);
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return value;
  } catch (error) {
    if (VioError.is(error)) throw error;
    throw senseless(file, 'it cannot be read as JSON', error);
  }
}

function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function senseless(where: string, what: string, cause?: unknown): VioError {
  return new VioError(`${quoted(where)} says nothing of a port: ${what}`, {
    code: 'VIO_POD_INFO',
    remedy: 'see who writes it: the CNI plugin, Multus, or the downward API',
    cause,
  });
}

function severals(candidates: readonly Candidate[]): VioError {
  return new VioError(
    `there are several interfaces: ${candidates.map(({ name }) => quoted(name)).join(', ')}`,
    {
      code: 'VIO_POD_INTERFACE',
      remedy: 'name one in VIO_INTERFACE',
    },
  );
}

function nothing(statusFile: string, directory: string, wanted: string | undefined): VioError {
  const which = wanted === undefined ? '' : ` for the interface ${quoted(wanted)}`;
  return new VioError(`no port was given to this process${which}`, {
    code: 'VIO_POD_NOTHING',
    remedy: `set VIO_DEVARGS or VIO_DEVICE_INFO, mount the annotation at ${statusFile} or the sockets at ${directory}, or open the port with its path`,
  });
}
