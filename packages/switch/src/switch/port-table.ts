import type { VioError } from '@vio/native';
import { switchError } from '../config/errors.ts';
import { type PortConfig, interfaceOf, mostPorts } from '../config/schema.ts';
import type { Endpoint } from '../ports/endpoint.ts';
import type { Fabric } from '../ports/fabric.ts';
import { InterfaceEndpoint } from '../ports/interface-endpoint.ts';
import { ManagedPort, type PortOrigin } from '../ports/managed-port.ts';
import { SocketEndpoint } from '../ports/socket-endpoint.ts';
import { TapEndpoint } from '../ports/tap-endpoint.ts';
import { UplinkEndpoint } from '../ports/uplink-endpoint.ts';
import type { Bridges } from './bridges.ts';

/** Who wants to know what becomes of ports. */
export interface PortTableListener {
  /** It is there from now on. */
  opened(port: ManagedPort): void;
  /** Somebody has come to a port, or has gone. */
  changed(port: ManagedPort): void;
  /** It is not there any more. */
  closed(port: ManagedPort): void;
  /** Something went wrong at a port, and everything else went on. */
  trouble(port: string, what: string, reason: Pick<VioError, 'code' | 'message'>): void;
}

/** The ports of a switch, each on its bridge and with a number of its own. */
export class PortTable implements Iterable<ManagedPort> {
  readonly #fabric: Fabric;
  readonly #bridges: Bridges;
  readonly #listener: PortTableListener;
  readonly #byName = new Map<string, ManagedPort>();
  /** Which numbers are taken. */
  readonly #numbers: boolean[] = [];
  #ending = false;

  constructor(fabric: Fabric, bridges: Bridges, listener: PortTableListener) {
    this.#fabric = fabric;
    this.#bridges = bridges;
    this.#listener = listener;
  }

  [Symbol.iterator](): IterableIterator<ManagedPort> {
    return this.#byName.values();
  }

  get(name: string): ManagedPort | undefined {
    return this.#byName.get(name);
  }

  /** @throws VioError VIO_SWITCH_PORT_MISSING */
  find(name: string): ManagedPort {
    const port = this.#byName.get(name);
    if (port !== undefined) return port;
    throw switchError(
      'PORT_MISSING',
      `there is no port ${name}`,
      'see `vio switch show ports` for those there are',
    );
  }

  /** @throws VioError VIO_SWITCH_*, VIO_SOCKET_*, VIO_TAP_*: nothing is left behind */
  async open(config: PortConfig, origin: PortOrigin): Promise<ManagedPort> {
    if (this.#ending) throw switchError('CLOSED', 'the switch ends', 'start it again');
    if (this.#byName.has(config.name)) {
      throw switchError(
        'PORT_EXISTS',
        `there is a port ${config.name} already`,
        'delete it first, or choose another name',
      );
    }
    const bridge = this.#bridges.find(config.bridge);
    this.#checkInterface(config);
    if (this.#byName.size >= mostPorts) {
      throw switchError('PORTS_FULL', `the switch has ${mostPorts} ports`, 'delete some that nobody needs');
    }
    const free = this.#numbers.indexOf(false);
    const number = free === -1 ? this.#numbers.length : free;
    const port = new ManagedPort(
      config,
      { number, bridge, origin, fabric: this.#fabric },
      {
        onChange: () => this.#listener.changed(port),
        onTrouble: (what, reason) => this.#listener.trouble(config.name, what, reason),
      },
    );
    port.endpoint = endpointOf(port);
    this.#numbers[number] = true;
    this.#byName.set(config.name, port);
    bridge.add(port.port);
    try {
      await port.endpoint.start();
    } catch (error) {
      await this.close(port);
      throw error;
    }
    this.setMirrors();
    this.#listener.opened(port);
    return port;
  }

  async close(port: ManagedPort): Promise<void> {
    const { name } = port.config;
    // First the memory is left alone.
    this.#fabric.rounds.remove(port);
    port.bridge.remove(port.port);
    this.#byName.delete(name);
    await port.endpoint?.close();
    port.port.link = undefined;
    this.#numbers[port.port.number] = false;
    this.#listener.closed(port);
    this.setMirrors();
  }

  /** Of one interface every frame would come in twice. */
  #checkInterface(config: PortConfig): void {
    const kernel = interfaceOf(config);
    for (const { config: other } of kernel === undefined ? [] : this) {
      if (interfaceOf(other) !== kernel) continue;
      throw switchError(
        'INTERFACE_TAKEN',
        `the port ${other.name} has the interface ${kernel}`,
        'delete it first, or name another interface',
      );
    }
  }

  /** Nothing is opened any more. */
  end(): void {
    this.#ending = true;
  }

  /** Closes what is at the other ends of all ports; the ports are told of still. */
  async closeEndpoints(): Promise<void> {
    await Promise.all(Array.from(this, async ({ endpoint }) => endpoint?.close()));
  }

  /** Sees to which port gets copies of what, as the bridges want it. */
  setMirrors(): void {
    for (const { port, bridge } of this) {
      const mirror = this.#bridges.mirror(bridge.name);
      const target = mirror === undefined ? undefined : this.#byName.get(mirror.to)?.port;
      port.isMirror = port === target;
      const watched =
        target !== undefined &&
        !port.isMirror &&
        (mirror?.from === undefined || mirror.from.includes(port.name));
      port.mirrorIn = watched && mirror?.direction !== 'out' ? target : undefined;
      port.mirrorOut = watched && mirror?.direction !== 'in' ? target : undefined;
    }
  }
}

function endpointOf(port: ManagedPort): Endpoint {
  const { config } = port;
  if ('uplink' in config) return new UplinkEndpoint(config, port);
  if ('tap' in config) return new TapEndpoint(config, port);
  if ('interface' in config) return new InterfaceEndpoint(config, port);
  return new SocketEndpoint(config, port);
}
