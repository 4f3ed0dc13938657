import { defaultTimeout } from '@vio/native/timeouts';
import { isMac, isMulticast } from '@vio/net/internal/mac-address';
import { CniError, codes } from './errors.ts';
import { type CniResult, isRecord, isResult } from './result.ts';

/** Versions of the specification that are spoken, the newest last. */
export const supportedVersions = ['0.4.0', '1.0.0', '1.1.0'] as const;

/** Checked and complete. */
export interface Conf {
  readonly cniVersion: string;
  /** Of the network. */
  readonly name: string;
  readonly backend: 'switch' | 'ovs';
  /** Control socket of the switch. */
  readonly control: string;
  readonly bridge: string;
  /** VLAN of the port; undefined: none is said. */
  readonly vlan: number | undefined;
  readonly trunk: readonly number[];
  /** Where the socket is made; may name the pod in braces. */
  readonly socketDir: string;
  /** The same directory as the container sees it; undefined: the same path. */
  readonly containerDir: string | undefined;
  /** Role of the application: a client connects, a server listens. */
  readonly mode: 'client' | 'server';
  readonly queues: number;
  /** Bytes; undefined: none is said. */
  readonly mtu: number | undefined;
  /** Undefined: one is made up. */
  readonly mac: string | undefined;
  /** Of the socket file; undefined: as it comes. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly socketMode: number | undefined;
  /** Milliseconds that a switch is waited for. */
  readonly timeout: number;
  readonly ovsctl: string;
  readonly ipam: Readonly<Record<string, unknown>> | undefined;
  /** Where the network plumbing working group's device-info goes; undefined: nowhere. */
  readonly deviceInfoFile: string | undefined;
  readonly deviceId: string | undefined;
  readonly prevResult: CniResult | undefined;
  /** Of GC. */
  readonly validAttachments: readonly { readonly containerID: string; readonly ifname: string }[];
  /** As it came, for IPAM. */
  readonly raw: Readonly<Record<string, unknown>>;
}

type Fields = Readonly<Record<string, unknown>>;

/** Fields that are for others, and what they are. */
const ofOthers: Readonly<Record<string, 'object' | 'boolean' | 'texts' | 'attachments'>> = {
  cniVersions: 'texts',
  args: 'object',
  capabilities: 'object',
  dns: 'object',
  ipMasq: 'boolean',
  disableCheck: 'boolean',
  disableGC: 'boolean',
  loadOnlyInlinedPlugins: 'boolean',
  'cni.dev/attachments': 'attachments',
};
const known = new Set([
  ...Object.keys(ofOthers),
  'cniVersion',
  'name',
  'type',
  'runtimeConfig',
  'prevResult',
  'ipam',
  'cni.dev/valid-attachments',
  'deviceID',
  'pciBusID',
  'backend',
  'control',
  'bridge',
  'vlan',
  'trunk',
  'socketDir',
  'containerDir',
  'mode',
  'queues',
  'mtu',
  'mac',
  'uid',
  'gid',
  'socketMode',
  'timeout',
  'ovsctl',
]);
const mostUser = 0xffff_fffe;

/** What a text may be, and how that is said. */
type Allowed = readonly [rule: Pick<RegExp, 'test'>, inWords: string];

const mac: Allowed = [
  { test: (text) => isMac(text) && !isMulticast(text) },
  'a unicast address as 02:00:00:00:00:01',
];
const absolutePath: Allowed = [/^\/[^\0\n]{0,4094}$/, 'an absolute path'];
const device: Allowed = [/^[\w.:@-]{1,128}$/, 'a device'];
const program: Allowed = [/^[A-Za-z0-9][\w.-]{0,127}$/, 'the name of a plugin'];

/** @throws CniError 6 when it is no JSON object */
export function decode(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch (cause) {
    throw new CniError(
      codes.decodingFailed,
      'the network configuration is no JSON',
      'correct it where it is written',
      cause,
    );
  }
  throw new CniError(
    codes.decodingFailed,
    'the network configuration is no JSON object',
    'correct it where it is written',
  );
}

/** @throws CniError 1 for a version that is not spoken */
export function versionOf(fields: Fields): string {
  const version = fields['cniVersion'] ?? '0.1.0';
  const spoken = supportedVersions.find((one) => one === version);
  if (spoken !== undefined) return spoken;
  throw new CniError(
    codes.incompatibleVersion,
    `CNI version ${JSON.stringify(version)} is not supported`,
    `the versions are ${supportedVersions.join(', ')}`,
  );
}

/** @throws CniError 1, 2 (a field there is not), 7 (a value it cannot have), each with the name of the field */
export function parseConf(fields: Fields): Conf {
  const cniVersion = versionOf(fields);
  for (const [key, value] of Object.entries(fields)) {
    if (known.has(key)) continue;
    throw new CniError(
      codes.unsupportedField,
      `unsupported field ${JSON.stringify(key.slice(0, 100))}: ${JSON.stringify(value)?.slice(0, 100)}`,
      'see the README of @vio/cni for the fields there are',
    );
  }
  const read = new Reader(fields);
  for (const [key, kind] of Object.entries(ofOthers)) read[kind](key);
  read.optional('type', ...program);
  read.optional('pciBusID', ...device);
  const given = new Reader(read.object('runtimeConfig') ?? {});
  /** What the runtime gives; else what the conf says. */
  const either = (key: string, allowed: Allowed): string | undefined => {
    const own = read.optional(key, ...allowed);
    return given.optional(key, ...allowed) ?? own;
  };
  const backend = read.choice('backend', ['switch', 'ovs'], 'switch');
  const conf: Conf = {
    cniVersion,
    name: read.text('name', /^[A-Za-z0-9][A-Za-z0-9_.-]{0,255}$/, 'letters, digits and _.-'),
    backend,
    control: read.path('control', '/run/vio/switch.sock'),
    bridge: read.text('bridge', /^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$/, 'the name of a bridge'),
    vlan: read.integer('vlan', 1, 4094),
    trunk: read.integers('trunk', 1, 4094),
    socketDir: read.path('socketDir', '/run/vio/pods'),
    containerDir: read.path('containerDir'),
    mode: read.choice('mode', ['client', 'server'], backend === 'ovs' ? 'server' : 'client'),
    queues: read.integer('queues', 1, 127, 1),
    mtu: read.integer('mtu', 68, 9710),
    mac: either('mac', mac)?.toLowerCase(),
    uid: read.integer('uid', 0, mostUser),
    gid: read.integer('gid', 0, mostUser),
    socketMode: read.bits('socketMode'),
    timeout: read.integer('timeout', 1, 120_000, defaultTimeout),
    ovsctl: read.text('ovsctl', /^[^\0]{1,4095}$/, 'a program', 'ovs-vsctl'),
    ipam: ipamOf(read),
    deviceInfoFile: given.path('CNIDeviceInfoFile'),
    deviceId: either('deviceID', device),
    prevResult: read.result('prevResult'),
    validAttachments: read.attachments('cni.dev/valid-attachments'),
    raw: fields,
  };
  if (conf.vlan !== undefined && conf.trunk.length > 0)
    throw invalid('trunk', fields['trunk'], 'nothing beside "vlan"');
  if (backend === 'ovs' && conf.mode === 'client')
    throw invalid('mode', 'client', '"server": Open vSwitch connects to sockets whose path can be chosen');
  return conf;
}

function ipamOf(read: Reader): Fields | undefined {
  const ipam = read.object('ipam') ?? {};
  if (Object.keys(ipam).length === 0) return undefined;
  const type = ipam['type'];
  const [rule, inWords] = program;
  // It becomes a file name.
  if (typeof type === 'string' && rule.test(type)) return ipam;
  throw invalid('ipam.type', type, inWords);
}

class Reader {
  readonly #fields: Fields;

  constructor(fields: Fields) {
    this.#fields = fields;
  }

  text(key: string, rule: Allowed[0], inWords: string, usual?: string): string {
    const value = this.#fields[key] === undefined ? usual : this.#fields[key];
    if (typeof value === 'string' && (value === usual || rule.test(value))) return value;
    throw invalid(key, value, inWords);
  }

  /** A text that need not be there, which a runtime may say by an empty one as well. */
  optional(key: string, rule: Allowed[0], inWords: string): string | undefined {
    const value = this.text(key, rule, inWords, '');
    return value === '' ? undefined : value;
  }

  path(key: string, usual: string): string;
  path(key: string): string | undefined;
  path(key: string, usual?: string): string | undefined {
    const value =
      usual === undefined ? this.optional(key, ...absolutePath) : this.text(key, ...absolutePath, usual);
    if (value?.split('/').includes('..') !== true) return value;
    throw invalid(key, value, 'a path without ..');
  }

  choice<T extends string>(key: string, all: readonly T[], usual: T): T {
    const value = this.#fields[key] === undefined ? usual : this.#fields[key];
    const found = all.find((one) => one === value);
    if (found === undefined) throw invalid(key, value, `one of ${all.join(', ')}`);
    return found;
  }

  integer(key: string, least: number, most: number): number | undefined;
  integer(key: string, least: number, most: number, usual: number): number;
  integer(key: string, least: number, most: number, usual?: number): number | undefined {
    const value = this.#fields[key];
    if (value === undefined) return usual;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw invalid(key, value, `${least} to ${most}`);
  }

  integers(key: string, least: number, most: number): number[] {
    const value = this.#list(key);
    const fits = (one: unknown): one is number =>
      Number.isInteger(one) && Number(one) >= least && Number(one) <= most;
    if (value?.every(fits) === true && value.length <= most) return value;
    throw invalid(key, this.#fields[key], `a list of numbers from ${least} to ${most}`);
  }

  texts(key: string): void {
    if (this.#list(key)?.every((one) => typeof one === 'string') === true) return;
    throw invalid(key, this.#fields[key], 'a list of texts');
  }

  boolean(key: string): void {
    const value = this.#fields[key];
    if (value !== undefined && typeof value !== 'boolean') throw invalid(key, value, 'true or false');
  }

  bits(key: string): number | undefined {
    const value = this.#fields[key];
    if (value === undefined) return undefined;
    if (typeof value === 'string' && /^0?[0-7]{3}$/.test(value)) return Number.parseInt(value, 8);
    throw invalid(key, value, 'three octal digits as "660"');
  }

  object(key: string): Fields | undefined {
    const value = this.#fields[key];
    if (value === undefined || isRecord(value)) return value;
    throw invalid(key, value, 'an object');
  }

  result(key: string): CniResult | undefined {
    const value = this.object(key);
    if (value === undefined || isResult(value)) return value;
    throw invalid(key, value, 'what a plugin answers: lists of interfaces, ips and routes, an object dns');
  }

  attachments(key: string): { readonly containerID: string; readonly ifname: string }[] {
    const value = this.#list(key);
    const fits = (one: unknown): one is { containerID: string; ifname: string } =>
      isRecord(one) && typeof one['containerID'] === 'string' && typeof one['ifname'] === 'string';
    if (value?.every(fits) === true) return value;
    throw invalid(key, this.#fields[key], 'a list of { containerID, ifname }');
  }

  /** @returns undefined when it is something else; empty when there is nothing */
  #list(key: string): unknown[] | undefined {
    const value = this.#fields[key];
    if (value === undefined) return [];
    return Array.isArray(value) ? value : undefined;
  }
}

function invalid(key: string, value: unknown, allowed: string): CniError {
  const shown = JSON.stringify(value)?.slice(0, 100) ?? 'missing';
  return new CniError(
    codes.invalidConf,
    `invalid network configuration: ${key} is ${shown}`,
    `allowed: ${allowed}`,
  );
}
