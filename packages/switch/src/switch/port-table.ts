import type { VioError } from '@vio/native';
import { switchError } from '../config/errors.ts';
import { type PortConfig, checkWorker, interfaceOf } from '../config/schema.ts';
import { mostPorts } from '../fabric/mac-table.ts';
import type { MirrorOrder, ThreadListener } from '../threads/switch-thread.ts';
import type { Threads } from '../threads/threads.ts';
import type { Bridges } from './bridges.ts';
import { type PortOrigin, TablePort } from './table-port.ts';

/** Who wants to know what becomes of ports. */
export interface PortTableListener {
  /** It is there from now on. */
  opened(port: TablePort): void;
  /** Somebody has come to a port, or has gone. */
  changed(port: TablePort): void;
  /** It is not there any more. */
  closed(port: TablePort): void;
  /** Something went wrong at a port, and everything else went on. */
  trouble(port: string, what: string, reason: Pick<VioError, 'code' | 'message'>): void;
}

/** The ports of a switch, each on its bridge, with a number of its own, and on a thread. */
export class PortTable implements Iterable<TablePort>, ThreadListener {
  readonly #threads: Threads;
  readonly #bridges: Bridges;
  readonly #listener: PortTableListener;
  readonly #byName = new Map<string, TablePort>();
  /** Those that are being opened or closed as well. */
  readonly #byNumber: (TablePort | undefined)[] = [];
  /** By thread: what it was told of mirrors last, as JSON. */
  readonly #mirrors: string[] = [];
  #ending = false;

  constructor(threads: Threads, bridges: Bridges, listener: PortTableListener) {
    this.#threads = threads;
    this.#bridges = bridges;
    this.#listener = listener;
  }

  [Symbol.iterator](): IterableIterator<TablePort> {
    return this.#byName.values();
  }

  get(name: string): TablePort | undefined {
    return this.#byName.get(name);
  }

  /** Name of the port that has a number; empty: none has. */
  nameOf(number: number): string {
    return this.#byNumber[number]?.name ?? '';
  }

  /** @throws VioError VIO_SWITCH_PORT_MISSING */
  find(name: string): TablePort {
    const port = this.#byName.get(name);
    if (port !== undefined) return port;
    throw switchError(
      'PORT_MISSING',
      `there is no port ${name}`,
      'see `vio switch show ports` for those there are',
    );
  }

  changed(number: number, connected: boolean): void {
    const port = this.#byNumber[number];
    if (port === undefined) return;
    port.connected = connected;
    this.#listener.changed(port);
  }

  trouble(number: number, what: string, reason: Pick<VioError, 'code' | 'message'>): void {
    this.#listener.trouble(this.nameOf(number), what, reason);
  }

  /** @throws VioError VIO_SWITCH_*, VIO_SOCKET_*, VIO_TAP_*: nothing is left behind */
  async open(config: PortConfig, origin: PortOrigin): Promise<TablePort> {
    this.#check(config);
    const free = this.#byNumber.indexOf(undefined);
    const number = free === -1 ? this.#byNumber.length : free;
    const worker = config.worker ?? number % this.#threads.count;
    const thread = this.#threads.of(worker);
    const port = new TablePort(config, { origin, number, worker, thread });
    this.#byNumber[number] = port;
    this.#byName.set(config.name, port);
    void this.#threads.tell({ kind: 'place', port: number, bridge: config.bridge, thread: worker }, thread);
    try {
      await thread.do({ kind: 'open', port: number, config, counters: port.memory });
    } catch (error) {
      await this.close(port);
      throw error;
    }
    this.setMirrors();
    this.#listener.opened(port);
    return port;
  }

  async close(port: TablePort): Promise<void> {
    const { number, thread } = port;
    this.#byName.delete(port.name);
    await thread.do({ kind: 'close', port: number });
    port.connected = false;
    await this.#threads.tell({ kind: 'displace', port: number }, thread);
    this.#byNumber[number] = undefined;
    this.#listener.closed(port);
    this.setMirrors();
  }

  /** VLANs and limits of a port that goes on. */
  applyRules(port: TablePort, config: PortConfig): void {
    port.config = config;
    void port.thread.do({ kind: 'rules', port: port.number, config }).catch(() => {});
  }

  /** Nothing is opened any more. */
  end(): void {
    this.#ending = true;
  }

  /** Closes what is at the other ends of all ports; the ports are told of still. */
  closeEndpoints(): Promise<void> {
    return this.#threads.tell({ kind: 'disconnect' });
  }

  /** Sees to which port gets copies of what, as the bridges want it. */
  setMirrors(): void {
    const byThread: MirrorOrder[][] = Array.from({ length: this.#threads.count }, () => []);
    for (const port of this) {
      const order = this.#mirrorOf(port);
      if (order !== undefined) byThread[port.worker].push(order);
    }
    for (const [worker, mirrors] of byThread.entries()) {
      const text = JSON.stringify(mirrors);
      if (text === (this.#mirrors[worker] ?? '[]')) continue;
      this.#mirrors[worker] = text;
      void this.#threads
        .of(worker)
        .do({ kind: 'mirrors', mirrors })
        .catch(() => {});
    }
  }

  /** Undefined: it has nothing to do with a mirror. */
  #mirrorOf({ name, number, config }: TablePort): MirrorOrder | undefined {
    const mirror = this.#bridges.mirror(config.bridge);
    const target = mirror === undefined ? undefined : this.#byName.get(mirror.to);
    if (mirror === undefined || target === undefined) return undefined;
    if (number === target.number) return { port: number, isMirror: true, in: undefined, out: undefined };
    if (mirror.from?.includes(name) === false) return undefined;
    return {
      port: number,
      isMirror: false,
      in: mirror.direction === 'out' ? undefined : target.number,
      out: mirror.direction === 'in' ? undefined : target.number,
    };
  }

  #check(config: PortConfig): void {
    if (this.#ending) throw switchError('CLOSED', 'the switch ends', 'start it again');
    if (this.#byName.has(config.name)) {
      throw switchError(
        'PORT_EXISTS',
        `there is a port ${config.name} already`,
        'delete it first, or choose another name',
      );
    }
    this.#bridges.find(config.bridge);
    checkWorker(`the port ${config.name}`, config.worker, this.#threads.count);
    // Of one interface every frame would come in twice.
    const kernel = interfaceOf(config);
    for (const { config: other } of kernel === undefined ? [] : this) {
      if (interfaceOf(other) !== kernel) continue;
      throw switchError(
        'INTERFACE_TAKEN',
        `the port ${other.name} has the interface ${kernel}`,
        'delete it first, or name another interface',
      );
    }
    if (this.#byName.size >= mostPorts) {
      throw switchError('PORTS_FULL', `the switch has ${mostPorts} ports`, 'delete some that nobody needs');
    }
  }
}
