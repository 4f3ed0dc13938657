import { lstat, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { VioError } from '@vio/native';
import { PacketBurst } from '@vio/net';
import { BufferPool, Region } from '@vio/rings';
import { switchError } from '../config/errors.ts';
import {
  type BridgeConfig,
  type DirectoryConfig,
  type PortConfig,
  type SwitchConfig,
  mostPorts,
  parsePort,
} from '../config/schema.ts';
import { Bridge } from '../fabric/bridge.ts';
import { type MacEntry, MacTable } from '../fabric/mac-table.ts';
import { type PortCounterName, counterRecord } from '../fabric/port-counters.ts';
import { Rounds, ticks } from '../fabric/rounds.ts';
import { ticksPerSecond } from '../fabric/storm-limit.ts';
import { DirectoryWatch } from '../ports/directory-watch.ts';
import type { Endpoint } from '../ports/endpoint.ts';
import { type Fabric, ManagedPort, type PortOrigin } from '../ports/managed-port.ts';
import { SocketEndpoint } from '../ports/socket-endpoint.ts';
import { TapEndpoint } from '../ports/tap-endpoint.ts';
import { UplinkEndpoint } from '../ports/uplink-endpoint.ts';
import { type SwitchState, StateFile, emptyState } from './state-file.ts';

/** Buffers for a burst of the largest frames. */
const buffers = 1024;
const bufferBytes = 2176;
const burstCapacity = 32;
/** Milliseconds between two sweeps of the address tables. */
const sweepInterval = 10_000;

/** A port as it is told of. */
export interface PortView {
  /** Of the port, unique in the switch. */
  readonly name: string;
  /** Name of its bridge. */
  readonly bridge: string;
  /** Who made it. */
  readonly origin: PortOrigin;
  /** Whether somebody is at its other end. */
  readonly connected: boolean;
  /** What it was made from. */
  readonly config: PortConfig;
  /** What was negotiated with the other end, if there is one. */
  readonly link: Readonly<Record<string, unknown>> | null;
}

/** An address as it is told of. */
export interface MacView extends Omit<MacEntry, 'port' | 'age'> {
  /** Its name. */
  readonly bridge: string;
  /** Name of the port it was heard on last. */
  readonly port: string;
  /** Seconds since it was heard last. */
  readonly age: number;
}

/** Something went wrong at a port, and everything else went on. */
export interface Trouble {
  /** Its name. */
  readonly port: string;
  /** In a few words. */
  readonly what: string;
  /** As `VIO_SOCKET_MISSING`. */
  readonly code: string;
  /** Why, in a sentence. */
  readonly message: string;
}

/** What a configuration has no word for. */
export interface SwitchOptions {
  /** Is told of what goes wrong at ports. */
  readonly onTrouble?: (trouble: Trouble) => void;
}

/** What `reload` did: names of ports. */
export interface Reloaded {
  /** They are new. */
  readonly added: readonly string[];
  /** They are gone. */
  readonly removed: readonly string[];
  /** Their rules changed while they went on. */
  readonly changed: readonly string[];
  /** Closed, and opened anew. */
  readonly reopened: readonly string[];
}

/** An Ethernet switch between vhost-user sockets, with uplinks. Everything of it runs on the thread that made it. */
export class VioSwitch implements AsyncDisposable {
  readonly #bridges = new Map<string, { readonly bridge: Bridge; config: BridgeConfig }>();
  readonly #ports = new Map<string, ManagedPort>();
  readonly #numbers: boolean[] = [];
  readonly #directories = new Map<
    string,
    { readonly config: DirectoryConfig; readonly watch: DirectoryWatch }
  >();
  readonly #fabric: Fabric = {
    rounds: new Rounds(),
    pool: new BufferPool({
      region: new Region(new ArrayBuffer(buffers * bufferBytes)),
      offset: 0,
      count: buffers,
    }),
    burst: new PacketBurst(burstCapacity),
  };
  readonly #onTrouble: (trouble: Trouble) => void;
  readonly #state: StateFile | null;
  /** Ports that are waited for before frames move. */
  readonly #missing = new Set<string>();
  #restoring: NodeJS.Timeout | null = null;
  /** Changes of ports, one after the other. */
  #changing: Promise<unknown> = Promise.resolve();
  readonly #sweeping: NodeJS.Timeout;
  /** What the state file says has been taken over: from now on it is this switch's. */
  #begun = false;
  #closed = false;

  private constructor(config: SwitchConfig, options: SwitchOptions) {
    this.#onTrouble = options.onTrouble ?? (() => {});
    this.#state = config.state === undefined ? null : new StateFile(config.state);
    this.#sweeping = setInterval(() => this.#sweep(), sweepInterval).unref();
  }

  /**
   * Starts a switch. With a state file, the ports of before are there again, and frames move when the frontends of before are, or
   * after `restoreTimeout`.
   * @throws VioError VIO_SWITCH_*, VIO_SOCKET_*, VIO_TAP_*: nothing is left behind
   */
  static async start(config: SwitchConfig, options: SwitchOptions = {}): Promise<VioSwitch> {
    const fabric = new VioSwitch(config, options);
    try {
      await fabric.#begin(config);
      return fabric;
    } catch (error) {
      await fabric.close();
      throw error;
    }
  }

  /** True while the switch waits for the frontends of before. */
  get restoring(): boolean {
    return this.#fabric.rounds.held;
  }

  /** Ports that are polled at this moment; the others sleep. */
  get awake(): number {
    return this.#fabric.rounds.awake;
  }

  /**
   * Adds a port. One that is there with the same configuration is left alone.
   * @param options exclusive: one that is there is an error in any case @throws VioError VIO_SWITCH_*, VIO_SOCKET_*, VIO_TAP_*
   */
  addPort(input: unknown, options: { readonly exclusive?: boolean } = {}): Promise<PortView> {
    const config = parsePort(input);
    return this.#inTurn(async () => {
      const there = this.#ports.get(config.name);
      if (there !== undefined) {
        if (isSame(there.config, config) && options.exclusive !== true) return view(there);
        throw switchError(
          'PORT_EXISTS',
          `there is a port ${config.name} already`,
          'delete it first, or choose another name',
        );
      }
      const port = await this.#open(config, 'control');
      try {
        await this.#save();
      } catch (error) {
        await this.#close(port);
        throw error;
      }
      return view(port);
    });
  }

  /** Deletes a port that was added. @returns false when there is none of the name @throws VioError VIO_SWITCH_IN_USE */
  deletePort(name: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const port = this.#ports.get(name);
      if (port === undefined) return false;
      if (port.origin !== 'control') {
        throw switchError(
          'IN_USE',
          `the port ${name} belongs to the ${port.origin === 'config' ? 'configuration' : 'directory'}`,
          port.origin === 'config' ? 'take it out of the file, and reload' : 'remove its socket',
        );
      }
      await this.#close(port);
      await this.#save();
      return true;
    });
  }

  /** @param bridge undefined: all of them */
  ports(bridge?: string): PortView[] {
    return Array.from(this.#ports.values(), view).filter(
      (port) => bridge === undefined || port.bridge === bridge,
    );
  }

  /** @throws VioError VIO_SWITCH_PORT_MISSING */
  port(name: string): PortView {
    return view(this.#find(name));
  }

  /** Every bridge: its configuration, how many ports it has, and how many addresses it has learned. */
  bridges(): (BridgeConfig & { readonly ports: number; readonly learned: number })[] {
    return Array.from(this.#bridges.values(), ({ bridge, config }) => ({
      ...config,
      ports: bridge.ports.length,
      learned: bridge.table.size,
    }));
  }

  /** Addresses that were heard, and where. */
  macs(bridge?: string): MacView[] {
    const now = ticks();
    const names = new Map(Array.from(this.#ports.values(), ({ port }) => [port.number, port.name]));
    return Array.from(this.#bridges.values())
      .filter((one) => bridge === undefined || one.bridge.name === bridge)
      .flatMap(({ bridge: { name, table } }) =>
        table.entries(now).map(({ mac, vlan, port, age }) => ({
          bridge: name,
          mac,
          vlan,
          port: names.get(port) ?? '',
          age: age / ticksPerSecond,
        })),
      );
  }

  /** Forgets addresses. @returns how many */
  flushMacs(bridge?: string): number {
    let forgotten = 0;
    for (const { bridge: one } of this.#bridges.values()) {
      if (bridge === undefined || one.name === bridge) forgotten += one.table.forget();
    }
    return forgotten;
  }

  /** What the switch counts, by port. */
  counters(): Record<string, Record<PortCounterName, number>> {
    return Object.fromEntries(
      Array.from(this.#ports.values(), ({ port }) => [port.name, counterRecord(port.counters)]),
    );
  }

  /** Switch counters and those of the rings, by port, for `prometheusText`. */
  measured(): Record<string, { stats(): Record<string, number>; readonly link: { readonly up: boolean } }> {
    return Object.fromEntries(
      Array.from(this.#ports.values(), ({ port }) => [
        port.name,
        {
          stats: () => ({ ...prefixed(counterRecord(port.counters)), ...port.link?.stats() }),
          link: { up: port.link !== null },
        },
      ]),
    );
  }

  /**
   * Takes over another configuration. Ports that are in both stay as they are, and lose nothing; ports of the control socket stay.
   * @throws VioError VIO_SWITCH_CONFIG, before anything is changed; VIO_SOCKET_* and others of a port that cannot be opened: the
   *   rest is done
   */
  reload(config: SwitchConfig): Promise<Reloaded> {
    return this.#inTurn(async () => {
      this.#checkReload(config);
      const wanted = new Map(config.ports.map((port) => [port.name, port]));
      const done = {
        added: [] as string[],
        removed: [] as string[],
        changed: [] as string[],
        reopened: [] as string[],
      };
      const failures: unknown[] = [];
      for (const directory of this.#directories.values()) {
        if (!config.directories.some((other) => isSame(other, directory.config)))
          await this.#unwatch(directory.config.path);
      }
      for (const port of this.#ports.values()) {
        const next = wanted.get(port.config.name);
        if (port.origin !== 'config' || (next !== undefined && isSame(unruled(next), unruled(port.config))))
          continue;
        await this.#close(port);
        if (next === undefined) done.removed.push(port.config.name);
        else done.reopened.push(next.name);
      }
      this.#makeBridges(config.bridges);
      for (const [name, next] of wanted) {
        const port = this.#ports.get(name);
        if (port === undefined) {
          await this.#open(next, 'config').catch((error: unknown) => failures.push(error));
          if (!done.reopened.includes(name)) done.added.push(name);
        } else if (!isSame(port.config, next)) {
          port.applyRules(next);
          done.changed.push(name);
        }
      }
      this.#setMirrors();
      for (const directory of config.directories) {
        if (!this.#directories.has(directory.path))
          await this.#watch(directory).catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
      return done;
    });
  }

  /** Ends in good order: what was taken from a ring has been passed on, the rest stays there. Sockets are removed. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#fabric.rounds.hold();
    clearInterval(this.#sweeping);
    if (this.#restoring !== null) clearTimeout(this.#restoring);
    for (const { watch } of this.#directories.values()) watch.close();
    await this.#changing;
    const state = this.#stateNow();
    await Promise.all(Array.from(this.#ports.values(), async (port) => port.endpoint?.close()));
    if (this.#begun) await this.#state?.write(() => state).catch(() => {});
    await this.#state?.settled();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #begin(config: SwitchConfig): Promise<void> {
    const state = (await this.#state?.read()) ?? emptyState;
    this.#makeBridges(config.bridges);
    const known = new Set([...config.ports, ...state.ports].map(({ name }) => name));
    for (const name of state.connected) if (known.has(name)) this.#missing.add(name);
    if (this.#missing.size > 0 && config.restoreTimeout > 0) {
      this.#fabric.rounds.hold();
      this.#restoring = setTimeout(() => this.#go(), config.restoreTimeout).unref();
    }
    for (const port of config.ports) await this.#open(port, 'config');
    for (const port of state.ports) {
      // A port that cannot be had any more does not keep the others from it.
      await this.#open(port, 'control').catch((error: unknown) => {
        if (!VioError.is(error)) throw error;
        this.#tell(port.name, 'the port is not restored', error);
      });
    }
    this.#setMirrors();
    for (const directory of config.directories) await this.#watch(directory);
    this.#begun = true;
  }

  #go(): void {
    if (this.#restoring !== null) clearTimeout(this.#restoring);
    this.#restoring = null;
    this.#missing.clear();
    if (!this.#closed) this.#fabric.rounds.go();
  }

  #makeBridges(configs: readonly BridgeConfig[]): void {
    const names = new Set(configs.map(({ name }) => name));
    for (const name of this.#bridges.keys()) if (!names.has(name)) this.#bridges.delete(name);
    for (const config of configs) {
      const { name, ageing, addresses } = config;
      const options = { ageing: Math.ceil(ageing * ticksPerSecond), capacity: addresses };
      const there = this.#bridges.get(name);
      if (there === undefined) {
        this.#bridges.set(name, { bridge: new Bridge(name, options), config });
        continue;
      }
      if (there.config.addresses !== addresses) there.bridge.table = new MacTable(options);
      there.bridge.table.ageing = options.ageing;
      there.config = config;
    }
  }

  #checkReload({ bridges, ports }: SwitchConfig): void {
    const names = new Set(bridges.map(({ name }) => name));
    const wanted = new Set(ports.map(({ name }) => name));
    for (const { config, origin } of this.#ports.values()) {
      if (origin !== 'control') continue;
      if (!names.has(config.bridge)) {
        throw switchError(
          'CONFIG',
          `the bridge ${config.bridge} is gone, but the port ${config.name} was added to it`,
          'delete the port first, or keep the bridge',
        );
      }
      if (wanted.has(config.name)) {
        throw switchError(
          'CONFIG',
          `the port ${config.name} was added by the control socket`,
          'delete it first, or choose another name',
        );
      }
    }
  }

  /** Which port gets copies of what. */
  #setMirrors(): void {
    for (const { port, bridge } of this.#ports.values()) {
      const mirror = this.#bridges.get(bridge.name)?.config.mirror;
      const target = mirror === undefined ? undefined : this.#ports.get(mirror.to)?.port;
      port.isMirror = port === target;
      const watched =
        target !== undefined &&
        !port.isMirror &&
        (mirror?.from === undefined || mirror.from.includes(port.name));
      port.mirrorIn = watched && mirror?.direction !== 'out' ? target : null;
      port.mirrorOut = watched && mirror?.direction !== 'in' ? target : null;
    }
  }

  async #open(config: PortConfig, origin: PortOrigin): Promise<ManagedPort> {
    if (this.#closed) throw switchError('CLOSED', 'the switch ends', 'start it again');
    const { bridge } = this.#bridges.get(config.bridge) ?? {};
    if (bridge === undefined) {
      throw switchError(
        'BRIDGE_MISSING',
        `there is no bridge ${config.bridge}`,
        'name one that the configuration has',
      );
    }
    if (this.#ports.has(config.name)) {
      throw switchError('PORT_EXISTS', `there is a port ${config.name} already`, 'choose another name');
    }
    if (this.#ports.size >= mostPorts) {
      throw switchError('PORTS_FULL', `the switch has ${mostPorts} ports`, 'delete some that nobody needs');
    }
    if ('socket' in config) await checkDirectory(config.socket);
    const free = this.#numbers.indexOf(false);
    const number = free === -1 ? this.#numbers.length : free;
    this.#numbers[number] = true;
    const port = new ManagedPort(
      config,
      { number, bridge, origin, fabric: this.#fabric },
      {
        onChange: () => this.#changed(port),
        onTrouble: (what, reason) => this.#tell(config.name, what, reason),
      },
    );
    port.endpoint = this.#endpoint(port);
    this.#ports.set(config.name, port);
    bridge.add(port.port);
    try {
      await port.endpoint.start();
    } catch (error) {
      await this.#close(port);
      throw error;
    }
    this.#setMirrors();
    return port;
  }

  #endpoint(port: ManagedPort): Endpoint {
    const { config } = port;
    if ('uplink' in config) return new UplinkEndpoint(config, port);
    if ('tap' in config) return new TapEndpoint(config, port);
    return new SocketEndpoint(config, port, (frame) => this.#announce(port, frame));
  }

  async #close(port: ManagedPort): Promise<void> {
    // First the memory is left alone.
    this.#fabric.rounds.remove(port);
    port.bridge.remove(port.port);
    this.#ports.delete(port.config.name);
    await port.endpoint?.close();
    port.port.link = null;
    this.#numbers[port.port.number] = false;
    this.#missing.delete(port.config.name);
    this.#setMirrors();
  }

  #changed(port: ManagedPort): void {
    if (this.#closed) return;
    if (port.connected && this.#missing.delete(port.config.name) && this.#missing.size === 0) this.#go();
    if (this.#begun && this.#state !== null && this.#ports.has(port.config.name)) {
      void this.#state
        .write(() => this.#stateNow())
        .catch((error: unknown) => {
          if (VioError.is(error)) this.#tell(port.config.name, 'the state is not kept', error);
        });
    }
  }

  /** A frame that stands for a frontend which was moved here: others learn where it is. */
  #announce({ port, bridge }: ManagedPort, frame: Uint8Array): void {
    const { pool } = this.#fabric;
    const burst = new PacketBurst(1);
    if (burst.allocate(pool, 1, frame.length) === 0) return;
    pool.region.u8.set(frame, burst.offset[0]);
    bridge.forward(port, burst, ticks());
    burst.release(pool);
  }

  async #watch(config: DirectoryConfig): Promise<void> {
    const { path, ...rest } = config;
    const mine = new Map<string, ManagedPort>();
    const watch = new DirectoryWatch(path, (files) =>
      this.#inTurn(async () => {
        if (this.#closed || this.#directories.get(path)?.watch !== watch) return;
        for (const [file, port] of mine) {
          if (files.includes(file)) continue;
          mine.delete(file);
          await this.#close(port);
        }
        for (const file of files) {
          if (mine.has(file)) continue;
          const name = file.replace(/\.sock$/, '');
          try {
            mine.set(
              file,
              await this.#open(parsePort({ ...rest, name, socket: join(path, file) }), 'directory'),
            );
          } catch (error) {
            if (!VioError.is(error)) throw error;
            this.#tell(name, 'a socket of the directory is no port', error);
          }
        }
      }),
    );
    this.#directories.set(path, { config, watch });
    await watch.start();
  }

  async #unwatch(path: string): Promise<void> {
    const directory = this.#directories.get(path);
    this.#directories.delete(path);
    directory?.watch.close();
    for (const port of this.#ports.values()) {
      const { config, origin } = port;
      if (origin === 'directory' && 'socket' in config && dirname(config.socket) === path)
        await this.#close(port);
    }
  }

  #find(name: string): ManagedPort {
    const port = this.#ports.get(name);
    if (port === undefined) {
      throw switchError(
        'PORT_MISSING',
        `there is no port ${name}`,
        'see `vio switch show ports` for those there are',
      );
    }
    return port;
  }

  #sweep(): void {
    const now = ticks();
    for (const { bridge } of this.#bridges.values()) if (bridge.table.size > 0) bridge.table.sweep(now);
  }

  #stateNow(): SwitchState {
    const ports = Array.from(this.#ports.values());
    return {
      ports: ports.filter(({ origin }) => origin === 'control').map(({ config }) => config),
      connected: [
        ...ports.filter(({ connected }) => connected).map(({ config }) => config.name),
        ...this.#missing,
      ],
    };
  }

  async #save(): Promise<void> {
    await this.#state?.write(() => this.#stateNow());
  }

  #tell(
    port: string,
    what: string,
    { code, message }: { readonly code: string; readonly message: string },
  ): void {
    this.#onTrouble({ port, what, code, message });
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#changing.then(action);
    this.#changing = turn.catch(() => {});
    return turn;
  }
}

function view(port: ManagedPort): PortView {
  const { config, bridge, origin, connected } = port;
  return {
    name: config.name,
    bridge: bridge.name,
    origin,
    connected,
    config,
    link: port.port.link?.describe() ?? null,
  };
}

/** Configurations have no cycles, and come from one schema: their fields are in one order. */
function isSame(one: object, other: object): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Without what may change while a port goes on. */
function unruled({ vlan: _vlan, stormLimit: _limit, ...rest }: PortConfig): object {
  return rest;
}

function prefixed(record: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [`switch_${name}`, value]));
}

/** A socket is not made through a link: whoever may write to the link's directory would say where. */
async function checkDirectory(socket: string): Promise<void> {
  const directory = dirname(socket);
  const refuse = (what: string, cause?: unknown): never => {
    throw switchError(
      'DIRECTORY',
      `the directory ${directory} ${what}`,
      'make it first, as a directory with no links in its path',
      cause,
    );
  };
  try {
    if (!(await lstat(directory)).isDirectory()) refuse('is none');
    if ((await realpath(directory)) !== directory) refuse('is reached by a link');
  } catch (error) {
    if (VioError.is(error)) throw error;
    refuse('cannot be used', error);
  }
}
