import {
  type RingState,
  type Telemetry,
  type TelemetryOptions,
  type TelemetryServer,
  serveTelemetry,
} from '@vio/net';
import { VioError } from '@vio/native';
import { switchError } from '../config/errors.ts';
import { type BridgeConfig, type SwitchConfig, isSame, parsePort } from '../config/schema.ts';
import { type PortCounterName, counterRecord } from '../fabric/port-counters.ts';
import { createFabric } from '../ports/fabric.ts';
import type { ManagedPort } from '../ports/managed-port.ts';
import { Bridges } from './bridges.ts';
import { Directories } from './directories.ts';
import { portStats } from './port-source.ts';
import { PortTable } from './port-table.ts';
import { reload } from './reload.ts';
import { Restoration } from './restoration.ts';
import { ShownPorts } from './shown-ports.ts';
import { type SwitchState, StateFile, emptyState } from './state-file.ts';
import { type MacView, type PortView, type Reloaded, type Trouble, portView } from './views.ts';

/** Milliseconds between two sweeps of the address tables. */
const sweepInterval = 10_000;

/** What a configuration has no word for. */
export interface SwitchOptions {
  /** Is told of what goes wrong at ports. */
  readonly onTrouble?: (trouble: Trouble) => void;
}

/** An Ethernet switch between vhost-user sockets, with uplinks. Everything of it runs on the thread that made it. */
export class VioSwitch implements AsyncDisposable {
  readonly #fabric = createFabric();
  readonly #bridges = new Bridges();
  readonly #ports: PortTable;
  readonly #directories: Directories;
  readonly #restoration = new Restoration(this.#fabric.rounds);
  readonly #state: StateFile | undefined;
  readonly #onTrouble: (trouble: Trouble) => void;
  readonly #shown: ShownPorts;
  readonly #servers = new Set<TelemetryServer>();
  readonly #sweeping: NodeJS.Timeout;
  /** Changes of ports, one after the other. */
  #changing: Promise<unknown> = Promise.resolve();
  /** What the state file says has been taken over: from now on it is this switch's. */
  #begun = false;
  #closed = false;

  private constructor(config: SwitchConfig, options: SwitchOptions) {
    this.#onTrouble = options.onTrouble ?? (() => {});
    this.#state = config.state === undefined ? undefined : new StateFile(config.state);
    this.#ports = new PortTable(this.#fabric, this.#bridges, {
      opened: (port) => this.#shown.changed(port),
      changed: (port) => this.#changed(port),
      closed: (port) => {
        this.#shown.closed(port);
        this.#restoration.settle(port.config.name);
      },
      trouble: (port, what, reason) => this.#tell(port, what, reason),
    });
    this.#shown = new ShownPorts(this.#ports);
    this.#directories = new Directories(
      this.#ports,
      (action) => this.#inTurn(action),
      (port, what, reason) => this.#tell(port, what, reason),
    );
    this.#sweeping = setInterval(() => this.#bridges.sweep(), sweepInterval).unref();
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
      if (there !== undefined && options.exclusive !== true && isSame(there.config, config))
        return portView(there);
      const port = await this.#ports.open(config, 'control');
      try {
        await this.#save();
      } catch (error) {
        await this.#ports.close(port);
        throw error;
      }
      return portView(port);
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
      await this.#ports.close(port);
      await this.#save();
      return true;
    });
  }

  /** @param bridge undefined: all of them */
  ports(bridge?: string): PortView[] {
    return Array.from(this.#ports, portView).filter((port) => bridge === undefined || port.bridge === bridge);
  }

  /** @throws VioError VIO_SWITCH_PORT_MISSING */
  port(name: string): PortView {
    return portView(this.#ports.find(name));
  }

  /** Every bridge: its configuration, how many ports it has, and how many addresses it has learned. */
  bridges(): (BridgeConfig & { readonly ports: number; readonly learned: number })[] {
    return this.#bridges.views();
  }

  /** Addresses that were heard, and where. */
  macs(bridge?: string): MacView[] {
    return this.#bridges.macs(bridge);
  }

  /** Forgets addresses. @returns how many */
  flushMacs(bridge?: string): number {
    return this.#bridges.flush(bridge);
  }

  /** What the switch counts, by port. */
  counters(): Record<string, Record<PortCounterName, number>> {
    return Object.fromEntries(
      Array.from(this.#ports, ({ port }) => [port.name, counterRecord(port.counters)]),
    );
  }

  /** The rings behind a port, with their fill; none while nobody is there. @throws VioError VIO_SWITCH_PORT_MISSING */
  rings(name: string): readonly RingState[] {
    return this.#ports.find(name).port.link?.rings?.() ?? [];
  }

  /** Switch counters and those of the rings, by port, for `prometheusText`. */
  measured(): Record<string, { stats(): Record<string, number>; readonly link: { readonly up: boolean } }> {
    return Object.fromEntries(
      Array.from(this.#ports, (managed) => [
        managed.port.name,
        { stats: () => portStats(managed), link: { up: managed.connected } },
      ]),
    );
  }

  /**
   * The ports, for those who look.
   * @internal For the control socket and the daemon.
   */
  get telemetry(): Telemetry {
    return this.#shown.telemetry;
  }

  /**
   * Lets other programs of this user look at the ports while they run, by a Unix socket; see `serveTelemetry` of @vio/net. It ends
   * with the switch. Nothing can be changed by it, `writable` or not: that is the control socket's.
   * @param path of the socket
   * @throws VioError VIO_SOCKET_*, VIO_OPTION_UNKNOWN
   */
  serveTelemetry(path: string, options: TelemetryOptions = {}): TelemetryServer {
    const server = serveTelemetry(path, this.telemetry, options);
    this.#servers.add(server);
    return server;
  }

  /**
   * Takes over another configuration. Ports that are in both stay as they are, and lose nothing; ports of the control socket stay.
   * @throws VioError VIO_SWITCH_CONFIG, before anything is changed; VIO_SOCKET_* and others of a port that cannot be opened: the
   *   rest is done
   */
  reload(config: SwitchConfig): Promise<Reloaded> {
    const parts = { bridges: this.#bridges, ports: this.#ports, directories: this.#directories };
    return this.#inTurn(() => reload(parts, config));
  }

  /** Ends in good order: what was taken from a ring has been passed on, the rest stays there. Sockets are removed. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#restoration.close();
    clearInterval(this.#sweeping);
    for (const server of this.#servers) await server[Symbol.asyncDispose]();
    this.#directories.close();
    this.#ports.end();
    await this.#changing;
    const state = this.#stateNow();
    await this.#ports.closeEndpoints();
    if (this.#begun) await this.#state?.write(() => state).catch(() => {});
    await this.#state?.settled();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #begin(config: SwitchConfig): Promise<void> {
    const state = (await this.#state?.read()) ?? emptyState;
    this.#bridges.configure(config.bridges);
    const known = new Set([...config.ports, ...state.ports].map(({ name }) => name));
    this.#restoration.begin(
      state.connected.filter((name) => known.has(name)),
      config.restoreTimeout,
    );
    for (const port of config.ports) await this.#ports.open(port, 'config');
    for (const port of state.ports) {
      // A port that cannot be had any more does not keep the others from it.
      await this.#ports.open(port, 'control').catch((error: unknown) => {
        if (!VioError.is(error)) throw error;
        this.#tell(port.name, 'the port is not restored', error);
      });
    }
    for (const directory of config.directories) await this.#directories.watch(directory);
    this.#begun = true;
  }

  #changed(port: ManagedPort): void {
    if (this.#closed) return;
    this.#shown.changed(port);
    const { name } = port.config;
    if (port.connected) this.#restoration.settle(name);
    if (!this.#begun || this.#ports.get(name) === undefined) return;
    this.#save().catch((error: unknown) => {
      if (VioError.is(error)) this.#tell(name, 'the state is not kept', error);
    });
  }

  #stateNow(): SwitchState {
    const ports = Array.from(this.#ports);
    return {
      ports: ports.filter(({ origin }) => origin === 'control').map(({ config }) => config),
      connected: [
        ...ports.filter(({ connected }) => connected).map(({ config }) => config.name),
        ...this.#restoration.missing,
      ],
    };
  }

  async #save(): Promise<void> {
    await this.#state?.write(() => this.#stateNow());
  }

  #tell(port: string, what: string, { code, message }: Pick<VioError, 'code' | 'message'>): void {
    this.#shown.trouble(port, what, code, message);
    this.#onTrouble({ port, what, code, message });
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#changing.then(action);
    this.#changing = turn.catch(() => {});
    return turn;
  }
}
