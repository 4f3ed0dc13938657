import { switchError } from '../config/errors.ts';
import type { BridgeConfig } from '../config/schema.ts';
import { MacTable } from '../fabric/mac-table.ts';
import { ticks, ticksPerSecond } from '../fabric/ticks.ts';
import type { Threads } from '../threads/threads.ts';
import type { MacView } from './views.ts';

/** A bridge, and what the configuration says of it. */
interface Configured {
  /** By which frames name it on their way between threads. */
  readonly id: number;
  /** What all threads have learned. */
  table: MacTable;
  config: BridgeConfig;
}

/** Numbers of bridges: one that is gone has its own for long, since frames of it may be on their way. */
const idMask = 0x7fff;

/** The bridges of a switch, as its configuration wants them; their ports, and what is forwarded, are the threads'. */
export class Bridges {
  readonly #threads: Threads;
  readonly #byName = new Map<string, Configured>();
  #nextId = 0;

  constructor(threads: Threads) {
    this.#threads = threads;
  }

  /** Takes over another configuration. What was learned stays, unless the table of addresses gets another size. */
  configure(configs: readonly BridgeConfig[]): void {
    const names = new Set(configs.map(({ name }) => name));
    for (const name of this.#byName.keys()) {
      if (names.has(name)) continue;
      this.#byName.delete(name);
      void this.#threads.tell({ kind: 'drop-bridge', name });
    }
    for (const config of configs) {
      const { name, ageing, addresses } = config;
      const there = this.#byName.get(name);
      const ticksOfAge = Math.ceil(ageing * ticksPerSecond);
      if (there !== undefined) {
        const before = there.config.addresses;
        there.config = config;
        there.table.ageing = ticksOfAge;
        if (before === addresses) continue;
      }
      const table = new MacTable({ ageing: ticksOfAge, capacity: addresses });
      const id = there?.id ?? this.#freeId();
      this.#byName.set(name, { id, table, config });
      void this.#threads.tell({ kind: 'bridge', name, id, memory: table.memory });
    }
  }

  /** @throws VioError VIO_SWITCH_BRIDGE_MISSING */
  find(name: string): BridgeConfig {
    const there = this.#byName.get(name);
    if (there !== undefined) return there.config;
    throw switchError('BRIDGE_MISSING', `there is no bridge ${name}`, 'name one that the configuration has');
  }

  /** Which port of a bridge gets copies of what, if any does. */
  mirror(name: string): BridgeConfig['mirror'] {
    return this.#byName.get(name)?.config.mirror;
  }

  /** Each with its configuration, how many ports it has, and how many addresses it has learned. @param portsOf by its name */
  views(
    portsOf: (bridge: string) => number,
  ): (BridgeConfig & { readonly ports: number; readonly learned: number })[] {
    return Array.from(this.#byName.values(), ({ table, config }) => ({
      ...config,
      ports: portsOf(config.name),
      learned: table.size,
    }));
  }

  /** Addresses that were heard. @param bridge undefined: on all of them @param nameOf the port of a number */
  macs(bridge: string | undefined, nameOf: (port: number) => string): MacView[] {
    const now = ticks();
    return this.#of(bridge).flatMap(({ table, config: { name } }) =>
      table.entries(now).map(({ mac, vlan, port, age }) => ({
        bridge: name,
        mac,
        vlan,
        port: nameOf(port),
        age: age / ticksPerSecond,
      })),
    );
  }

  /** Forgets addresses. @param bridge undefined: of all of them @returns how many */
  flush(bridge?: string): number {
    return this.#of(bridge).reduce((forgotten, { table }) => forgotten + table.forget(), 0);
  }

  /** A thread runs no more, and may have ended while it learned. */
  release(thread: number): void {
    for (const { table } of this.#of()) table.release(thread);
  }

  /** Forgets what was not heard for too long. */
  sweep(): void {
    const now = ticks();
    for (const { table } of this.#of()) if (table.size > 0) table.sweep(now);
  }

  #of(name?: string): Configured[] {
    return [...this.#byName.values()].filter(({ config }) => name === undefined || config.name === name);
  }

  #freeId(): number {
    const taken = new Set(Array.from(this.#byName.values(), ({ id }) => id));
    while (taken.has(this.#nextId)) this.#nextId = (this.#nextId + 1) & idMask;
    const id = this.#nextId;
    this.#nextId = (id + 1) & idMask;
    return id;
  }
}
