import type { Conf } from '../conf.ts';
import type { Attachment } from '../environment.ts';
import { CniError, codes } from '../errors.ts';
import { shortPortName } from '../names.ts';
import type { Backend } from './backend.ts';

/** A map as ovs-vsctl writes it in JSON. */
type OvsMap = readonly ['map', readonly (readonly [string, string])[]];

/**
 * Open vSwitch with DPDK, by ovs-vsctl. It connects to the socket (dpdkvhostuserclient), on which the application listens: so
 * both may be restarted. Which network a port is of stands in its external_ids.
 */
export const ovsBackend: Backend = {
  async create({ conf, attachment, path }) {
    const port = shortPortName(conf.name, attachment);
    const { bridge, vlan, trunk, mtu, queues } = conf;
    if (await exists(conf, port)) {
      throw new CniError(
        codes.exists,
        `Open vSwitch has the port ${port} already`,
        'delete the container before it is added again',
      );
    }
    const command = [
      'add-port',
      bridge,
      port,
      ...(vlan === undefined ? [] : [`tag=${vlan}`]),
      ...(trunk.length === 0 ? [] : [`trunks=${trunk.join(',')}`]),
      '--',
      'set',
      'Interface',
      port,
      'type=dpdkvhostuserclient',
      `options:vhost-server-path=${quoted(path)}`,
      ...(mtu === undefined ? [] : [`mtu_request=${mtu}`]),
      ...(queues === 1 ? [] : [`options:n_rxq=${queues}`]),
      `external_ids:vio-network=${quoted(conf.name)}`,
      `external_ids:vio-container=${quoted(attachment.containerId)}`,
    ];
    try {
      await vsctl(conf, command);
    } catch (error) {
      // The database may have the port already, when it is ovs-vswitchd that does not answer.
      await vsctl(conf, ['--no-wait', '--if-exists', 'del-port', bridge, port]).catch(() => {});
      throw error;
    }
  },

  async delete(conf, attachment) {
    await vsctl(conf, ['--if-exists', 'del-port', conf.bridge, shortPortName(conf.name, attachment)]);
  },

  async check({ conf, attachment, path }) {
    const port = shortPortName(conf.name, attachment);
    const there = (
      await vsctl(conf, ['--if-exists', 'get', 'Interface', port, 'options:vhost-server-path'])
    ).trim();
    if (there === quoted(path) || there === path) return;
    throw new CniError(
      codes.notAsAdded,
      there === ''
        ? `Open vSwitch has no port ${port}`
        : `the port ${port} has the socket ${there}, it was made with ${path}`,
      'delete the container, and add it again',
    );
  },

  async status(conf) {
    await vsctl(conf, ['br-exists', conf.bridge], codes.unavailable);
  },

  async collect(conf, valid) {
    const keep = new Set(valid.map((attachment: Attachment) => shortPortName(conf.name, attachment)));
    const found = await vsctl(conf, [
      '--format=json',
      '--columns=name,options',
      'find',
      'Interface',
      `external_ids:vio-network=${quoted(conf.name)}`,
    ]);
    const { data } = JSON.parse(found === '' ? '{"data":[]}' : found) as {
      data: readonly (readonly [string, OvsMap])[];
    };
    const sockets: string[] = [];
    for (const [name, [, options]] of data) {
      if (keep.has(name)) continue;
      await vsctl(conf, ['--if-exists', 'del-port', conf.bridge, name]);
      const path = options.find(([key]) => key === 'vhost-server-path')?.[1];
      if (path !== undefined) sockets.push(path);
    }
    return sockets;
  },
};

async function exists(conf: Conf, port: string): Promise<boolean> {
  return (await vsctl(conf, ['--if-exists', 'get', 'Interface', port, 'name'])).trim() !== '';
}

/** A string as ovs-vsctl wants it. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

function vsctl(conf: Conf, args: readonly string[], failure: number = codes.refused): Promise<string> {
  // Loaded by those alone who need it: a plugin starts anew for every call.
  const { execFile } = process.getBuiltinModule('node:child_process');
  const seconds = Math.max(1, Math.ceil(conf.timeout / 1000));
  return new Promise((resolve, reject) => {
    execFile(
      conf.ovsctl,
      [`--timeout=${seconds}`, ...args],
      { timeout: conf.timeout + 1000 },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const said = stderr.trim().split('\n')[0].slice(0, 300);
        const away = /database connection failed|timeout|Alarm clock/i.test(stderr) || error.killed === true;
        const missing = error.code === 'ENOENT';
        const code =
          away && failure === codes.refused ? codes.tryAgainLater : missing ? codes.ioFailure : failure;
        const remedy = missing
          ? 'install Open vSwitch where this plugin runs, or name its ovs-vsctl in "ovsctl"'
          : 'see whether ovsdb-server and ovs-vswitchd run, and have this bridge';
        return reject(
          new CniError(code, `ovs-vsctl ${args[0]} failed: ${said || error.message}`, remedy, error),
        );
      },
    );
  });
}
