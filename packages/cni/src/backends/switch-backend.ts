import { SwitchCallError, callSwitch } from '@vio/switch/client';
import type { Conf } from '../conf.ts';
import { CniError, codes } from '../errors.ts';
import { portName, portPrefix } from '../names.ts';
import type { Backend, WantedPort } from './backend.ts';

interface PortView {
  readonly name: string;
  readonly bridge: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** `vio switch`, by its control socket. */
export const switchBackend: Backend = {
  async create(port) {
    await call(port.conf, 'create-port', wanted(port));
  },

  async delete(conf, attachment) {
    await call(conf, 'delete-port', { name: portName(conf.name, attachment) });
  },

  async check(port) {
    const name = portName(port.conf.name, port.attachment);
    const there = (await call(port.conf, 'show-port', { name })) as PortView;
    for (const [key, value] of Object.entries(wanted(port))) {
      if (JSON.stringify(there.config[key]) === JSON.stringify(value)) continue;
      throw new CniError(
        codes.notAsAdded,
        `the port ${name} has ${key} ${JSON.stringify(there.config[key])}, it was made with ${JSON.stringify(value)}`,
        'delete the container, and add it again',
      );
    }
  },

  async status(conf) {
    const bridges = (await call(conf, 'show-bridges', {})) as readonly { readonly name: string }[];
    if (bridges.some(({ name }) => name === conf.bridge)) return;
    throw new CniError(
      codes.unavailable,
      `the switch has no bridge ${conf.bridge}`,
      'add it to the configuration of the switch, and reload',
    );
  },

  async collect(conf, valid) {
    const keep = new Set(valid.map((attachment) => portName(conf.name, attachment)));
    const ports = (await call(conf, 'show-ports', {})) as readonly PortView[];
    const sockets: string[] = [];
    for (const { name, config } of ports) {
      if (!name.startsWith(portPrefix(conf.name)) || keep.has(name)) continue;
      await call(conf, 'delete-port', { name });
      if (typeof config['socket'] === 'string') sockets.push(config['socket']);
    }
    return sockets;
  },
};

function wanted({ conf, attachment, path, mac }: WantedPort): Record<string, unknown> {
  const { bridge, vlan, trunk, mode, queues, mtu, uid, gid, socketMode } = conf;
  return {
    name: portName(conf.name, attachment),
    bridge,
    socket: path,
    // The other way round: the application's role is told in the conf.
    role: mode === 'client' ? 'server' : 'client',
    queues,
    mac,
    ...(vlan === undefined ? {} : { vlan: { access: vlan } }),
    ...(trunk.length === 0 ? {} : { vlan: { trunk } }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(socketMode === undefined ? {} : { mode: socketMode }),
  };
}

async function call(conf: Conf, method: string, params: unknown): Promise<unknown> {
  try {
    return await callSwitch(conf.control, method, params, { timeout: conf.timeout });
  } catch (error) {
    if (!(error instanceof SwitchCallError)) throw error;
    throw new CniError(codeOf(error), error.message, error.remedy, error);
  }
}

function codeOf({ code, retryable }: SwitchCallError): number {
  if (code === 'VIO_SWITCH_PORT_EXISTS') return codes.exists;
  if (code === 'VIO_SWITCH_PORT_MISSING') return codes.notAsAdded;
  if (code === 'VIO_SWITCH_CONFIG' || code === 'VIO_SWITCH_BRIDGE_MISSING') return codes.invalidConf;
  if (code === 'VIO_SWITCH_DIRECTORY' || code === 'VIO_SWITCH_STATE' || code.startsWith('VIO_SYS_'))
    return codes.ioFailure;
  if (code.startsWith('VIO_SOCKET_')) return retryable ? codes.tryAgainLater : codes.ioFailure;
  return retryable ? codes.tryAgainLater : codes.refused;
}
