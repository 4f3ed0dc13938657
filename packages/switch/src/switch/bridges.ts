import { switchError } from '../config/errors.ts';
import type { BridgeConfig } from '../config/schema.ts';
import { Bridge } from '../fabric/bridge.ts';
import { MacTable } from '../fabric/mac-table.ts';
import { ticks, ticksPerSecond } from '../fabric/ticks.ts';
import type { MacView } from './views.ts';

/** A bridge, and what the configuration says of it. */
interface Configured {
  readonly bridge: Bridge;
  config: BridgeConfig;
}

/** The bridges of a switch, as its configuration wants them. */
export class Bridges {
  readonly #byName = new Map<string, Configured>();

  /** Takes over another configuration. What was learned stays, unless the table of addresses gets another size. */
  configure(configs: readonly BridgeConfig[]): void {
    const names = new Set(configs.map(({ name }) => name));
    for (const name of this.#byName.keys()) if (!names.has(name)) this.#byName.delete(name);
    for (const config of configs) {
      const { name, ageing, addresses } = config;
      const options = { ageing: Math.ceil(ageing * ticksPerSecond), capacity: addresses };
      const there = this.#byName.get(name);
      if (there === undefined) {
        this.#byName.set(name, { bridge: new Bridge(name, options), config });
        continue;
      }
      if (there.config.addresses !== addresses) there.bridge.table = new MacTable(options);
      there.bridge.table.ageing = options.ageing;
      there.config = config;
    }
  }

  /** @throws VioError VIO_SWITCH_BRIDGE_MISSING */
  find(name: string): Bridge {
    const there = this.#byName.get(name);
    if (there !== undefined) return there.bridge;
    throw switchError('BRIDGE_MISSING', `there is no bridge ${name}`, 'name one that the configuration has');
  }

  /** Which port of a bridge gets copies of what, if any does. */
  mirror(name: string): BridgeConfig['mirror'] {
    return this.#byName.get(name)?.config.mirror;
  }

  /** Each with its configuration, how many ports it has, and how many addresses it has learned. */
  views(): (BridgeConfig & { readonly ports: number; readonly learned: number })[] {
    return Array.from(this.#byName.values(), ({ bridge, config }) => ({
      ...config,
      ports: bridge.ports.length,
      learned: bridge.table.size,
    }));
  }

  /** Addresses that were heard. @param bridge undefined: on all of them */
  macs(bridge?: string): MacView[] {
    const now = ticks();
    return this.#of(bridge).flatMap(({ name, table, ports }) => {
      const names = new Map(ports.map((port) => [port.number, port.name]));
      return table.entries(now).map(({ mac, vlan, port, age }) => ({
        bridge: name,
        mac,
        vlan,
        port: names.get(port) ?? '',
        age: age / ticksPerSecond,
      }));
    });
  }

  /** Forgets addresses. @param bridge undefined: of all of them @returns how many */
  flush(bridge?: string): number {
    return this.#of(bridge).reduce((forgotten, { table }) => forgotten + table.forget(), 0);
  }

  /** Forgets what was not heard for too long. */
  sweep(): void {
    const now = ticks();
    for (const { table } of this.#of()) if (table.size > 0) table.sweep(now);
  }

  #of(name?: string): Bridge[] {
    return Array.from(this.#byName.values(), ({ bridge }) => bridge).filter(
      (bridge) => name === undefined || bridge.name === name,
    );
  }
}
