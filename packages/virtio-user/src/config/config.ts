import { VioError } from '@vio/native';
import { checkSocketPath } from '@vio/native/internal';
import {
  devargFlag,
  devargForms,
  devargInteger,
  devargValueError,
  isMac,
  isSpeedDevarg,
  speedToReport,
  unknownDevarg,
} from '@vio/net/internal';
import { isRingSize } from '@vio/rings/internal';
import { type BackendKind, backendKind } from './backend-kind.ts';
import { type BackendDescriptors, backendOf, checkDescriptors } from './descriptors.ts';
import { parseDevargs } from './devargs.ts';
import { devargSchemas } from './schemas.ts';

/** The device arguments of a virtio-user port, checked and complete. Names and defaults are DPDK's. */
export interface VirtioUserConfig {
  /** Socket of a vhost-user backend, at most 107 bytes; `/dev/vhost-net`; or `/dev/vhost-vdpa-N`. */
  readonly path: string;
  /** What the path leads to. */
  readonly backend: BackendKind;
  /** Of a vhost-kernel backend: the name of the tap; undefined: the kernel finds one. */
  readonly iface: string | undefined;
  /** `02:00:00:00:00:01`; undefined: a random local address. */
  readonly mac: string | undefined;
  /** Control queue. */
  readonly cq: boolean;
  /** Descriptors per ring. */
  readonly queue_size: number;
  /** Queue pairs, 1 to 128. */
  readonly queues: number;
  /** Listen on `path` instead of connecting. */
  readonly server: boolean;
  /** A received packet may be spread over several buffers. */
  readonly mrg_rxbuf: boolean;
  /** Buffers are used in the order in which they became available. */
  readonly in_order: boolean;
  /** Rings are packed. */
  readonly packed_vq: boolean;
  /** Mbit/s to report; undefined: it is not known. */
  readonly speed: number | undefined;
  /** A vectorised path is preferred where one can be used. */
  readonly vectorized: boolean;
}

/** The same as an object for callers who prefer one: only `path` is needed, and not even that with descriptors. */
export type VirtioUserOptions = Partial<
  Omit<{ readonly [K in keyof VirtioUserConfig]: VirtioUserConfig[K] | undefined }, 'backend'>
>;

/** What is read of a value that is text. */
const flag = (value: unknown): unknown =>
  typeof value === 'string' || typeof value === 'number' ? devargFlag(String(value)) : value;
const integer = (value: unknown): unknown => (typeof value === 'string' ? devargInteger(value) : value);
const text = (value: unknown): unknown => value;

const forms = {
  path: text,
  mac: text,
  cq: flag,
  queue_size: integer,
  queues: integer,
  iface: text,
  server: flag,
  mrg_rxbuf: flag,
  in_order: flag,
  packed_vq: flag,
  speed: integer,
  vectorized: flag,
};

type Values = Omit<VirtioUserConfig, 'backend' | Optional> &
  Readonly<Record<'mac' | 'iface', string> & Record<'speed', number>>;
type Optional = 'mac' | 'iface' | 'speed';

/** Those of DPDK. */
const defaults: Omit<Values, Optional | 'path'> = {
  cq: false,
  queue_size: 256,
  queues: 1,
  server: false,
  mrg_rxbuf: true,
  in_order: true,
  packed_vq: false,
  vectorized: false,
};

const { flag: zeroOrOne, speed: speeds } = devargForms;
const allowed: Readonly<Record<string, string>> = {
  path: 'the path of a vhost-user socket',
  mac: 'six bytes as in 02:00:00:00:00:01',
  cq: zeroOrOne,
  queue_size: 'a power of two from 1 to 32768 (with packed_vq=1: any number of them)',
  queues: '1 to 128',
  iface: 'an interface name of 1 to 15 characters',
  server: zeroOrOne,
  mrg_rxbuf: zeroOrOne,
  in_order: zeroOrOne,
  packed_vq: zeroOrOne,
  speed: speeds,
  vectorized: zeroOrOne,
};

/**
 * Checks devargs (a string or an object) and completes them with DPDK's defaults. The result is frozen.
 * @param descriptors what the port is given already open
 * @throws VioError VIO_DEVARGS_UNKNOWN_KEY, _VALUE, _MISSING_PATH, _CONFLICT and those of `parseDevargs`,
 *   VIO_SOCKET_PATH_TOO_LONG, VIO_DESCRIPTORS
 */
export function parseVirtioUserConfig(
  input: string | VirtioUserOptions,
  descriptors?: BackendDescriptors,
): VirtioUserConfig {
  const values: Record<string, unknown> =
    typeof input === 'string' ? Object.fromEntries(parseDevargs(input).values) : { ...input };
  if (descriptors !== undefined) values['path'] = pathBeside(descriptors, values['path']);
  if (values['path'] === undefined || values['path'] === '') {
    throw new VioError('the devargs have no path', {
      code: 'VIO_DEVARGS_MISSING_PATH',
      remedy: 'add path=SOCKET, the socket of the vhost-user backend',
    });
  }
  const given = checkValues(values);
  const { mac, iface, speed, ...rest } = { ...defaults, ...given };
  const backend = descriptors === undefined ? backendKind(rest.path) : backendOf(descriptors);
  const config = { ...rest, mac, iface, speed: speedToReport(speed), backend };
  checkTogether(config);
  if (descriptors !== undefined) {
    if (iface !== undefined || config.server)
      throw besideDescriptors(iface === undefined ? 'server' : 'iface');
    checkDescriptors(descriptors, config.queues);
  }
  return Object.freeze(config);
}

/** @returns those that are given */
function checkValues(values: Readonly<Record<string, unknown>>): Partial<Values> & Pick<Values, 'path'> {
  const { path, ...others } = values;
  // Most ports are told a path, and nothing could be wrong with it here.
  if (typeof path === 'string' && Object.values(others).every((value) => value === undefined)) {
    checkKeys(others);
    return { path };
  }
  const given: Record<string, unknown> = {};
  const schemas = devargSchemas(isMac, isSpeedDevarg);
  for (const [key, read] of Object.entries(forms)) {
    if (values[key] === undefined) continue;
    const { success, data } = schemas[key as keyof typeof forms]().safeParse(read(values[key]));
    if (!success) throw valueError(key, values[key]);
    given[key] = data;
  }
  checkKeys(values);
  return given as Partial<Values> & Pick<Values, 'path'>;
}

function checkKeys(values: Readonly<Record<string, unknown>>): void {
  const unknown = Object.keys(values).filter((key) => !Object.hasOwn(forms, key));
  if (unknown.length > 0) throw unknownDevarg(unknown.join(', '), Object.keys(forms));
}

function valueError(key: string, value: unknown): VioError {
  return devargValueError(key, value, allowed[key] ?? 'something else');
}

/** A tap alone leaves /dev/vhost-net to be opened; otherwise the path only names what is open already. */
function pathBeside(descriptors: BackendDescriptors, path: unknown): unknown {
  if (backendOf(descriptors) === 'vhost-kernel' && descriptors.vhostNet === undefined)
    return path ?? '/dev/vhost-net';
  if (path !== undefined) throw besideDescriptors('path');
  return `descriptor ${descriptors.socket ?? descriptors.vdpa ?? descriptors.vhostNet?.[0]}`;
}

function besideDescriptors(key: string): VioError {
  return new VioError(`the devargs have ${key}, but the backend is given by descriptors`, {
    code: 'VIO_DEVARGS_CONFLICT',
    remedy: `leave out ${key}, or the descriptors`,
  });
}

/** What a key's own range cannot say. */
function checkTogether(config: VirtioUserConfig): void {
  const format = config.packed_vq ? 'packed' : 'split';
  if (!isRingSize({ format }, config.queue_size)) throw valueError('queue_size', config.queue_size);
  if (config.backend === 'vhost-user') checkSocketPath(config.path);
  if (config.backend !== 'vhost-user' && config.server) {
    throw new VioError(`server=1 does not belong to ${config.path}, which is a character device`, {
      code: 'VIO_DEVARGS_CONFLICT',
      remedy: 'server=1 is for vhost-user sockets only: leave it out',
    });
  }
  if (config.backend !== 'vhost-kernel' && config.iface !== undefined) {
    throw new VioError(`iface=${config.iface} does not belong to a ${config.backend} backend`, {
      code: 'VIO_DEVARGS_CONFLICT',
      remedy: 'iface names the tap of a vhost-kernel backend (path=/dev/vhost-net): leave it out',
    });
  }
}
