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

/** What a key takes, as a string has it or as an object does. */
interface Key<T, Usual> {
  /** @returns undefined: it is not such a value */
  readonly read: (value: unknown) => T | undefined;
  /** Where nothing is said. */
  readonly usual: Usual;
  /** For whoever says something else. */
  readonly allowed: string;
}

const text =
  (fits: (value: string) => boolean) =>
  (value: unknown): string | undefined =>
    typeof value === 'string' && fits(value) ? value : undefined;

const integer =
  (fits: (value: number) => boolean) =>
  (value: unknown): number | undefined => {
    const number = typeof value === 'string' ? devargInteger(value) : value;
    return typeof number === 'number' && Number.isSafeInteger(number) && fits(number) ? number : undefined;
  };

function readFlag(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  return typeof value === 'string' || typeof value === 'number' ? devargFlag(String(value)) : undefined;
}

const flag = (usual: boolean) => ({ read: readFlag, usual, allowed: devargForms.flag });

const keys = {
  path: { read: text((path) => path !== ''), usual: '', allowed: 'the path of a vhost-user socket' },
  mac: { read: text(isMac), usual: undefined, allowed: 'six bytes as in 02:00:00:00:00:01' },
  cq: flag(false),
  queue_size: {
    read: integer(() => true),
    usual: 256,
    allowed: 'a power of two from 1 to 32768 (with packed_vq=1: any number of them)',
  },
  queues: { read: integer((queues) => queues >= 1 && queues <= 128), usual: 1, allowed: '1 to 128' },
  iface: {
    read: text(({ length }) => length >= 1 && length <= 15),
    usual: undefined,
    allowed: 'an interface name of 1 to 15 characters',
  },
  server: flag(false),
  mrg_rxbuf: flag(true),
  in_order: flag(true),
  packed_vq: flag(false),
  speed: { read: integer(isSpeedDevarg), usual: undefined, allowed: devargForms.speed },
  vectorized: flag(false),
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
  const { speed, iface, ...rest } = readKeys(values);
  const backend = descriptors === undefined ? backendKind(rest.path) : backendOf(descriptors);
  const config = { ...rest, iface, speed: speedToReport(speed), backend };
  checkTogether(config);
  if (descriptors !== undefined) {
    if (iface !== undefined || config.server)
      throw besideDescriptors(iface === undefined ? 'server' : 'iface');
    checkDescriptors(descriptors, config.queues);
  }
  return Object.freeze(config);
}

function readKeys(values: Readonly<Record<string, unknown>>) {
  const taken = <T, Usual>(
    key: keyof typeof keys,
    { read, usual }: Omit<Key<T, Usual>, 'allowed'>,
  ): T | Usual => {
    const value = values[key];
    if (value === undefined) return usual;
    const is = read(value);
    if (is === undefined) throw valueError(key, value);
    return is;
  };
  const config = {
    path: taken('path', keys.path),
    mac: taken('mac', keys.mac),
    cq: taken('cq', keys.cq),
    queue_size: taken('queue_size', keys.queue_size),
    queues: taken('queues', keys.queues),
    iface: taken('iface', keys.iface),
    server: taken('server', keys.server),
    mrg_rxbuf: taken('mrg_rxbuf', keys.mrg_rxbuf),
    in_order: taken('in_order', keys.in_order),
    packed_vq: taken('packed_vq', keys.packed_vq),
    speed: taken('speed', keys.speed),
    vectorized: taken('vectorized', keys.vectorized),
  };
  const unknown = Object.keys(values).filter((key) => !Object.hasOwn(keys, key));
  if (unknown.length > 0) throw unknownDevarg(unknown.join(', '), Object.keys(keys));
  return config;
}

function valueError(key: keyof typeof keys, value: unknown): VioError {
  return devargValueError(key, value, keys[key].allowed);
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
