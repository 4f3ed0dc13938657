import {
  type RingState,
  type Telemetry,
  type TelemetryOptions,
  type TelemetryServer,
  serveTelemetry,
} from '@vio/net';
import { VioError } from '@vio/native';
import { throwLater } from '@vio/native/internal';
import { switchError } from '../config/errors.ts';
import { type BridgeConfig, type SwitchConfig, isSame, parsePort } from '../config/schema.ts';
import { type PortCounterName, counterRecord } from '../fabric/port-counters.ts';
import type { ThreadListener, ThreadsListener } from '../threads/switch-thread.ts';
import { Threads } from '../threads/threads.ts';
import { Bridges } from './bridges.ts';
import { Directories } from './directories.ts';
import { portStats } from './port-source.ts';
import { PortTable } from './port-table.ts';
import { reload } from './reload.ts';
import { Restoration } from './restoration.ts';
import { ShownPorts } from './shown-ports.ts';
import { type SwitchState, StateFile, emptyState } from './state-file.ts';
import type { TablePort } from './table-port.ts';
import {
  type MacView,
  type PortView,
  type Reloaded,
  type Trouble,
  type WorkerView,
  portView,
} from './views.ts';

/** Milliseconds between two sweeps of the address tables. */
const sweepInterval = 10_000;

/** What a configuration has no word for. */
export interface SwitchOptions {
  /** Is told of what goes wrong at ports. */
  readonly onTrouble?: (trouble: Trouble) => void;
  /**
   * Is told that a thread of it has failed (VIO_SWITCH_THREAD): its ports are gone, and the switch is to be closed, and started anew.
   * Default: it is thrown, where nobody catches it.
   */
  readonly onFailure?: (reason: VioError) => void;
}

/** Passes on what threads tell to who is there only when they are. */
class ThreadRelay implements ThreadsListener {
  to: ThreadListener | undefined;
  onFailure: ((reason: VioError) => void) | undefined;
  onEnd: ((thread: number) => void) | undefined;

  changed(port: number, connected: boolean): void {
    this.to?.changed(port, connected);
  }

  trouble(port: number, what: string, reason: Pick<VioError, 'code' | 'message'>): void {
    this.to?.trouble(port, what, reason);
  }

  failed(reason: VioError): void {
    this.onFailure?.(reason);
  }

  ended(thread: number): void {
    this.onEnd?.(thread);
  }
}

/** An Ethernet switch between vhost-user sockets, with uplinks. It runs on the thread that made it, and on `workers` - 1 others. */
export class VioSwitch implements AsyncDisposable {
  readonly #threads: Threads;
  readonly #bridges: Bridges;
  readonly #ports: PortTable;
  readonly #directories: Directories;
  readonly #restoration: Restoration;
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
  #lingers = false;

  private constructor(config: SwitchConfig, options: SwitchOptions, threads: Threads) {
    this.#threads = threads;
    this.#bridges = new Bridges(threads);
    this.#restoration = new Restoration({
      hold: () => void threads.tell({ kind: 'hold' }),
      go: () => void threads.tell({ kind: 'go' }),
    });
    this.#onTrouble = options.onTrouble ?? (() => {});
    this.#state = config.state === undefined ? undefined : new StateFile(config.state);
    this.#ports = new PortTable(threads, this.#bridges, {
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
    const relay = new ThreadRelay();
    const fabric = new VioSwitch(config, options, await Threads.start(config.workers, relay));
    // No thread has anything to tell before it has a port.
    relay.to = fabric.#ports;
    relay.onFailure = (reason) => fabric.#failed(reason, options);
    relay.onEnd = (thread) => fabric.#bridges.release(thread);
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
    return this.#restoration.waits;
  }

  /** Ports that are polled at this moment; the others sleep. Ways between threads are polled as ports are. */
  get awake(): number {
    return this.#threads.views().reduce((sum, { awake }) => sum + awake, 0);
  }

  /** The threads, and what went from one to another. */
  workers(): WorkerView[] {
    const ports = Array.from(this.#ports);
    return this.#threads.views().map(({ number, awake, trunks }) => ({
      worker: number,
      ports: ports.filter(({ worker }) => worker === number).length,
      awake,
      trunks,
    }));
  }

  /**
   * Resolves when every thread has had a turn.
   * @internal For the watchdog.
   */
  turn(): Promise<void> {
    return this.#threads.tell({ kind: 'ping' });
  }

  /**
   * Numbers of the threads that have no turn within a second.
   * @internal For who asks how it is.
   */
  standing(): Promise<number[]> {
    return this.#threads.standing();
  }

  /**
   * How many ports there are, and at how many somebody is.
   * @internal For who asks how it is: no thread is asked.
   */
  tally(): { readonly ports: number; readonly connected: number } {
    const ports = Array.from(this.#ports);
    return { ports: ports.length, connected: ports.filter(({ connected }) => connected).length };
  }

  /**
   * A thread that could not be ended has the process still.
   * @internal For the daemon, when it has closed it.
   */
  get lingers(): boolean {
    return this.#lingers;
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
    const ports = Array.from(this.#ports);
    return this.#bridges.views((name) => ports.filter(({ config }) => config.bridge === name).length);
  }

  /** Addresses that were heard, and where. */
  macs(bridge?: string): MacView[] {
    return this.#bridges.macs(bridge, (port) => this.#ports.nameOf(port));
  }

  /** Forgets addresses. @returns how many */
  flushMacs(bridge?: string): number {
    return this.#bridges.flush(bridge);
  }

  /** What the switch counts, by port. */
  counters(): Record<string, Record<PortCounterName, number>> {
    return Object.fromEntries(
      Array.from(this.#ports, ({ name, counters }) => [name, counterRecord(counters)]),
    );
  }

  /** The rings behind a port, with their fill; none while nobody is there. @throws VioError VIO_SWITCH_PORT_MISSING */
  rings(name: string): readonly RingState[] {
    return this.#ports.find(name).rings();
  }

  /** Switch counters and those of the rings, by port, and what goes from one thread to another, for `prometheusText`. */
  measured(): Record<string, { stats(): Record<string, number>; readonly link: { readonly up: boolean } }> {
    const ports = Array.from(this.#ports, (port) => [
      port.name,
      { stats: () => portStats(port), link: { up: port.connected } },
    ]);
    const numbers = Array.from({ length: this.#threads.count }, (_, number) => number);
    const trunks = numbers.flatMap((from) =>
      this.#threads.trunksOf(from).map(({ to, frames, bytes, dropped }) => [
        // No port can be called so.
        `worker ${from} to ${to}`,
        {
          stats: () => ({
            switch_tx_frames: frames,
            switch_tx_bytes: bytes,
            switch_dropped_full_frames: dropped,
          }),
          link: { up: true },
        },
      ]),
    );
    return Object.fromEntries([...ports, ...trunks]) as ReturnType<VioSwitch['measured']>;
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
    const parts = {
      bridges: this.#bridges,
      ports: this.#ports,
      directories: this.#directories,
      workers: this.#threads.count,
    };
    return this.#inTurn(() => reload(parts, config));
  }

  /**
   * Ends in good order: what was taken from a ring has been passed on, the rest stays there. Sockets are removed. A thread that has no
   * turn for five seconds meanwhile is given up, with its sockets. Idempotent.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const calm = this.#threads.insist();
    try {
      await this.#end();
    } finally {
      calm();
    }
  }

  async #end(): Promise<void> {
    this.#restoration.close();
    clearInterval(this.#sweeping);
    for (const server of this.#servers) await server[Symbol.asyncDispose]();
    this.#directories.close();
    this.#ports.end();
    await this.#changing;
    await this.#threads.quiesce();
    const state = this.#stateNow();
    await this.#ports.closeEndpoints();
    this.#lingers = !(await this.#threads.end());
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

  #changed(port: TablePort): void {
    if (this.#closed) return;
    this.#shown.changed(port);
    const { name } = port.config;
    if (port.connected) this.#restoration.settle(name);
    if (!this.#begun || this.#ports.get(name) === undefined) return;
    this.#save().catch((error: unknown) => {
      if (VioError.is(error)) this.#tell(name, 'the state is not kept', error);
    });
  }

  #failed(reason: VioError, { onFailure = throwLater }: SwitchOptions): void {
    // While it starts, whoever starts it is told.
    if (this.#begun && !this.#closed) onFailure(reason);
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
