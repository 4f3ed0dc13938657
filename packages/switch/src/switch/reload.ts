import { switchError } from '../config/errors.ts';
import { type PortConfig, type SwitchConfig, isSame } from '../config/schema.ts';
import type { Bridges } from './bridges.ts';
import type { Directories } from './directories.ts';
import type { PortTable } from './port-table.ts';
import type { Reloaded } from './views.ts';

/** What a configuration makes of a switch. */
export interface Configurable {
  readonly bridges: Bridges;
  readonly ports: PortTable;
  readonly directories: Directories;
  /** How many threads it has. */
  readonly workers: number;
}

/**
 * Takes over another configuration. What is in both stays as it is.
 * @throws VioError VIO_SWITCH_CONFIG, before anything is changed; the first error of what cannot be opened: the rest is done
 */
export async function reload(parts: Configurable, config: SwitchConfig): Promise<Reloaded> {
  const { bridges, ports, directories } = parts;
  checkWorkers(parts, config);
  checkAddedPorts(ports, config);
  const wanted = new Map(config.ports.map((port) => [port.name, port]));
  const added: string[] = [];
  const removed: string[] = [];
  const changed: string[] = [];
  const reopened: string[] = [];
  const failures: unknown[] = [];
  await directories.retain(config.directories);
  for (const port of ports) {
    const next = wanted.get(port.config.name);
    if (port.origin !== 'config' || (next !== undefined && isSame(unruled(next), unruled(port.config))))
      continue;
    await ports.close(port);
    if (next === undefined) removed.push(port.config.name);
    else reopened.push(next.name);
  }
  bridges.configure(config.bridges);
  for (const [name, next] of wanted) {
    const port = ports.get(name);
    // A port of a directory has the name: that is an error, as when somebody asks for it.
    if (port?.origin !== 'config') {
      await ports.open(next, 'config').catch((error: unknown) => failures.push(error));
      if (!reopened.includes(name)) added.push(name);
    } else if (!isSame(port.config, next)) {
      ports.applyRules(port, next);
      changed.push(name);
    }
  }
  ports.setMirrors();
  for (const directory of config.directories) {
    if (!directories.has(directory))
      await directories.watch(directory).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
  return { added, removed, changed, reopened };
}

/** Threads are those that it was started with. */
function checkWorkers({ workers }: Configurable, config: SwitchConfig): void {
  if (config.workers === workers) return;
  throw switchError(
    'CONFIG',
    `\`workers\` is ${config.workers}, but the switch was started with ${workers}`,
    'start it again: a restart loses nothing that is in a ring',
  );
}

/** Ports of the control socket stay: their bridges have to, and their names are taken. */
function checkAddedPorts(ports: PortTable, config: SwitchConfig): void {
  const bridges = new Set(config.bridges.map(({ name }) => name));
  const wanted = new Set(config.ports.map(({ name }) => name));
  for (const { config: added, origin } of ports) {
    if (origin !== 'control') continue;
    if (!bridges.has(added.bridge)) {
      throw switchError(
        'CONFIG',
        `the bridge ${added.bridge} is gone, but the port ${added.name} was added to it`,
        'delete the port first, or keep the bridge',
      );
    }
    if (wanted.has(added.name)) {
      throw switchError(
        'CONFIG',
        `the port ${added.name} was added by the control socket`,
        'delete it first, or choose another name',
      );
    }
  }
}

/** Without what may change while a port goes on. */
function unruled({ vlan: _vlan, stormLimit: _limit, ...rest }: PortConfig): object {
  return rest;
}
