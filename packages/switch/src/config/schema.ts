import { checkSocketPath, printable, quoted } from '@vio/native/internal';
import { isMac, isMulticast, maxMtu, minMtu } from '@vio/net/internal';
import { z } from 'zod';
import { mostPorts } from '../fabric/mac-table.ts';
import { mostVlan } from '../fabric/vlan-rules.ts';
import { switchError } from './errors.ts';

/** Threads of a switch at most. */
const mostWorkers = 8;
const mostBridges = 256;
const mostNumber = 0xffff_fffe;

/** A name goes into file names, metrics and logs. */
const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$/,
    'a name of 1 to 128 letters, digits and _.:@-, a letter or digit first',
  );
const path = z.string().superRefine((text, context) => {
  try {
    checkSocketPath(text);
    if (!text.startsWith('/')) context.addIssue({ code: 'custom', message: 'an absolute path' });
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'a path' });
  }
});
const directory = z.string().startsWith('/', 'an absolute path').max(4095);
const vlan = z.int().min(1).max(mostVlan);
const mtu = z.int().min(minMtu).max(maxMtu);
const mac = z
  .string()
  .refine((text) => isMac(text) && !isMulticast(text), 'a unicast address as in 02:00:00:00:00:01')
  .transform((text) => text.toLowerCase());
const kernelName = z.string().regex(/^[^\s/:]{1,15}$/, 'an interface name of 1 to 15 characters');
const mode = z.preprocess(
  (value) =>
    typeof value === 'string' && /^0?o?[0-7]{3,4}$/.test(value)
      ? Number.parseInt(value.replace('o', ''), 8)
      : value,
  z.int().min(0).max(0o7777),
);

const vlanMode = z.union([
  z.strictObject({ access: vlan }),
  z.strictObject({
    trunk: z.union([z.literal('all'), z.array(vlan).min(1).max(mostVlan)]),
    native: vlan.optional(),
  }),
]);

/** What all ports have. */
const rules = {
  vlan: vlanMode.optional(),
  mtu: mtu.optional(),
  /** Frames per second that may be flooded. */
  stormLimit: z.number().positive().optional(),
  /** Number of the thread that has it. */
  worker: z
    .int()
    .min(0)
    .max(mostWorkers - 1)
    .optional(),
};

const socketRules = {
  ...rules,
  /** `server`: the switch listens. `client`: the application does. */
  role: z.enum(['server', 'client']).default('server'),
  /** Queue pairs offered. */
  queues: z.int().min(1).max(127).default(8),
  mac: mac.optional(),
  /** Of the socket file. */
  mode: mode.optional(),
  uid: z.int().min(0).max(mostNumber).optional(),
  gid: z.int().min(0).max(mostNumber).optional(),
};

const socketPort = z.strictObject({ name, bridge: name, socket: path, ...socketRules });
const uplinkPort = z.strictObject({
  name,
  bridge: name,
  /** Devargs of a virtio-user port: `path=/dev/vhost-net,iface=tap0`, or the socket of another switch. */
  uplink: z.string().min(1).max(1024),
  ...rules,
});
const tapPort = z.strictObject({
  name,
  bridge: name,
  /** Name of a tap interface, which is made if there is none. */
  tap: kernelName,
  ...rules,
});

const interfacePort = z.strictObject({
  name,
  bridge: name,
  /** Name of an interface of this kernel that is there already, or comes. */
  interface: kernelName,
  ...rules,
});

const directorySchema = z.strictObject({
  path: directory,
  bridge: name,
  ...socketRules,
  role: z.literal('client').default('client'),
});

const bridgeSchema = z.strictObject({
  name,
  /** Seconds after which an address that was not heard again is forgotten. */
  ageing: z.number().min(0.1).max(1_000_000).default(300),
  /** Addresses at most, a power of two. */
  addresses: z
    .int()
    .min(64)
    .max(1 << 20)
    .refine((value) => (value & (value - 1)) === 0, 'a power of two')
    .default(8192),
  mirror: z
    .strictObject({
      /** The port that gets the copies, and nothing else. */
      to: name,
      /** Ports that are watched; default: all. */
      from: z.array(name).optional(),
      direction: z.enum(['in', 'out', 'both']).default('both'),
    })
    .optional(),
});

const configSchema = z.strictObject({
  /** Path of the control socket. */
  control: path.optional(),
  /** File that keeps the ports that were added by the control socket. */
  state: directory.optional(),
  /** Where /health and /metrics are served: `9180`, `HOST:PORT`, or the path of a socket. */
  http: z.union([z.int().min(0).max(65_535).transform(String), z.string().min(1)]).optional(),
  bridges: z.array(bridgeSchema).min(1).max(mostBridges),
  ports: z.array(z.unknown()).max(mostPorts).default([]),
  /** Directories in which applications listen: each socket is a port while it is there. */
  directories: z.array(directorySchema).max(64).default([]),
  /** Threads that forward. */
  workers: z.int().min(1).max(mostWorkers).default(1),
  /** Milliseconds after a restart that ports wait for each other before frames move. */
  restoreTimeout: z.int().min(0).max(600_000).default(5000),
});

/** A port on a vhost-user socket, checked and complete. */
export type SocketPortConfig = z.infer<typeof socketPort>;
/** A port of the switch's own as an uplink. */
export type UplinkPortConfig = z.infer<typeof uplinkPort>;
/** A port on a tap interface. */
export type TapPortConfig = z.infer<typeof tapPort>;
/** A port on an interface that is there already. */
export type InterfacePortConfig = z.infer<typeof interfacePort>;
/** A port, checked and complete; see the README for what each field means. */
export type PortConfig = SocketPortConfig | UplinkPortConfig | TapPortConfig | InterfacePortConfig;
/** A directory of applications that listen, checked and complete. */
export type DirectoryConfig = z.infer<typeof directorySchema>;
/** A bridge, checked and complete. */
export type BridgeConfig = z.infer<typeof bridgeSchema>;
/** A whole configuration, checked and complete. */
export type SwitchConfig = Omit<z.infer<typeof configSchema>, 'ports'> & {
  /** Those the configuration names. */
  readonly ports: readonly PortConfig[];
};

/** @param what it is, for the message @throws VioError VIO_SWITCH_CONFIG */
export function parsePort(input: unknown, what = 'the port'): PortConfig {
  if (typeof input !== 'object' || input === null) return parse(socketPort, input, what);
  // Of the kind that is meant, so that an error names a field.
  if ('uplink' in input) return parse(uplinkPort, input, what);
  if ('interface' in input) return parse(interfacePort, input, what);
  return 'tap' in input ? parse(tapPort, input, what) : parse(socketPort, input, what);
}

/** @throws VioError VIO_SWITCH_CONFIG: what is wrong first, where it is, and what is allowed */
export function parseConfig(input: unknown): SwitchConfig {
  const { ports, ...rest } = parse(configSchema, input, 'the configuration');
  const config = { ...rest, ports: ports.map((port, i) => parsePort(port, `ports[${i}]`)) };
  checkTogether(config);
  return config;
}

/** @param what the port, or the directory of ports @throws VioError VIO_SWITCH_CONFIG when it is for a thread that there is not */
export function checkWorker(what: string, worker: number | undefined, workers: number): void {
  if (worker === undefined || worker < workers) return;
  throw switchError(
    'CONFIG',
    `${what} is for worker ${worker}, and ${workers === 1 ? 'there is only worker 0' : `the last one is ${workers - 1}`}`,
    'raise `workers` and start the switch again, or name another one',
  );
}

/** The interface of this kernel that a port is on, if it is on one by its name: `%d` asks for any. */
export function interfaceOf(port: PortConfig): string | undefined {
  const interfaceName = 'interface' in port ? port.interface : 'tap' in port ? port.tap : undefined;
  return interfaceName?.includes('%') === true ? undefined : interfaceName;
}

/** Configurations have no cycles, and come from one schema: their fields are in one order. */
export function isSame(one: object, other: object): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function parse<T>(schema: z.ZodType<T>, input: unknown, what: string): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue.path.map(String).join('.');
  throw switchError(
    'CONFIG',
    `${what} is wrong${where === '' ? '' : ` at ${quoted(where)}`}: ${printable(issue.message)}`,
    'see "Configuration" in the README of @vio/switch for what may stand there',
  );
}

/** What the parts of a configuration say of each other. */
function checkTogether({ bridges, ports, directories, workers }: SwitchConfig): void {
  const wrong = (message: string, remedy: string): never => {
    throw switchError('CONFIG', `the configuration is wrong: ${message}`, remedy);
  };
  const names = new Set<string>();
  for (const bridge of bridges) {
    if (names.has(bridge.name)) wrong(`there are two bridges ${bridge.name}`, 'give each a name of its own');
    names.add(bridge.name);
  }
  const taken = new Set<string>();
  const sockets = new Set<string>();
  const interfaces = new Set<string>();
  for (const port of [...ports, ...directories]) {
    if (!names.has(port.bridge)) wrong(`there is no bridge ${port.bridge}`, 'name one that is in `bridges`');
    checkWorker(
      'name' in port ? `the port ${port.name}` : `the directory ${port.path}`,
      port.worker,
      workers,
    );
    if (!('name' in port)) continue;
    if (taken.has(port.name)) wrong(`there are two ports ${port.name}`, 'give each a name of its own');
    taken.add(port.name);
    const kernel = interfaceOf(port);
    if (kernel !== undefined && interfaces.has(kernel))
      wrong(`two ports have the interface ${kernel}`, 'give each an interface of its own');
    if (kernel !== undefined) interfaces.add(kernel);
    if (!('socket' in port)) continue;
    if (sockets.has(port.socket))
      wrong(`two ports have the socket ${port.socket}`, 'give each a socket of its own');
    sockets.add(port.socket);
  }
}
