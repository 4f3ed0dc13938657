import { CniError, codes } from './errors.ts';

/** What a runtime can ask for (CNI_COMMAND). */
export const commands = ['ADD', 'DEL', 'CHECK', 'STATUS', 'GC', 'VERSION'] as const;

/** One of them. */
export type Command = (typeof commands)[number];

/** One interface of one container. */
export interface Attachment {
  readonly containerId: string;
  readonly ifName: string;
}

/** The parameters of a call (CNI_*). */
export interface Environment {
  readonly command: Command;
  /** Undefined for commands that are about no container. */
  readonly attachment: Attachment | undefined;
  /** Path of the container's network namespace; a DEL may come without. */
  readonly netns: string;
  /** CNI_ARGS: K8S_POD_UID and others. */
  readonly args: ReadonlyMap<string, string>;
  /** Directories of plugins, for IPAM. */
  readonly path: readonly string[];
  /** All of it, for IPAM. */
  readonly all: Readonly<Record<string, string | undefined>>;
}

const ofContainers = new Set<Command>(['ADD', 'DEL', 'CHECK']);

/** @throws CniError 4, which names the variables that are wrong */
export function parseEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  const command = commands.find((one) => one === env['CNI_COMMAND']);
  if (command === undefined) throw wrong(['CNI_COMMAND'], `one of ${commands.join(', ')}`);
  const path = (env['CNI_PATH'] ?? '').split(':').filter((directory) => directory !== '');
  const args = parseArgs(env['CNI_ARGS'] ?? '');
  const netns = env['CNI_NETNS'] ?? '';
  if (!ofContainers.has(command)) return { command, attachment: undefined, netns, args, path, all: env };
  const containerId = env['CNI_CONTAINERID'] ?? '';
  const ifName = env['CNI_IFNAME'] ?? '';
  const bad = [
    ...(isContainerId(containerId) ? [] : ['CNI_CONTAINERID']),
    ...(isIfName(ifName) ? [] : ['CNI_IFNAME']),
    ...(netns === '' && command !== 'DEL' ? ['CNI_NETNS'] : []),
  ];
  if (bad.length > 0) throw wrong(bad, 'see the CNI specification for what may stand there');
  return { command, attachment: { containerId, ifName }, netns, args, path, all: env };
}

/** @returns true for what the specification allows, up to 256 characters */
export function isContainerId(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,255}$/.test(text);
}

/** @returns true for what Linux takes as the name of an interface, in printable ASCII */
export function isIfName(text: string): boolean {
  return /^[!-~]{1,15}$/.test(text) && !/[/:]/.test(text) && text !== '.' && text !== '..';
}

function parseArgs(text: string): Map<string, string> {
  const args = new Map<string, string>();
  for (const pair of text.split(';')) {
    const at = pair.indexOf('=');
    if (at > 0) args.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return args;
}

function wrong(names: readonly string[], allowed: string): CniError {
  return new CniError(codes.invalidEnvironment, `${names.join(', ')} missing or invalid`, allowed);
}
