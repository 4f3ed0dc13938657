import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PacketBurst } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { until } from '@vio/test-support';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { describe } from 'vitest';
import { type PortCounterName, type Trouble, VioSwitch, parseConfig } from '../index.ts';

/** The frame without its tag. */
export function untagged(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, 12), ...bytes.subarray(16)]);
}

/** The frame with a tag. */
export function tagged(plain: Uint8Array, tci: number): Uint8Array {
  return Uint8Array.from([...plain.subarray(0, 12), 0x81, 0, tci >>> 8, tci & 0xff, ...plain.subarray(12)]);
}

/** A station on a port of the switch. */
export class Host {
  readonly port: VirtioUserPort;
  readonly #burst: PacketBurst;

  constructor(port: VirtioUserPort) {
    this.port = port;
    this.#burst = port.burst();
  }

  /** Everything that has arrived. */
  received(): Uint8Array[] {
    const { port } = this;
    const burst = this.#burst;
    const frames: Uint8Array[] = [];
    while (port.rx[0].receive(burst) > 0) {
      frames.push(...readFrames(burst));
      burst.release();
    }
    return frames;
  }
}

/** A switch in this process, with hosts on its ports: `await using` it. */
export class Network implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'vio-switch-'));
  readonly troubles: Trouble[] = [];
  readonly hosts = new Map<string, Host>();
  readonly #config: Record<string, unknown>;
  #fabric: VioSwitch | undefined;

  /** What goes wrong with a thread of the switch. */
  readonly failures: unknown[] = [];

  private constructor(config: Record<string, unknown>) {
    this.#config = config;
  }

  /**
   * @param ports by name: what their configuration has besides name, bridge and socket
   * @param more what the configuration has besides ports; default: one bridge `br`
   */
  static async start(
    ports: Readonly<Record<string, object>>,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<Network> {
    const network = new Network({ bridges: [{ name: 'br' }], ...more });
    await network.begin(ports);
    for (const name of Object.keys(ports)) await network.connect(name);
    return network;
  }

  get fabric(): VioSwitch {
    if (this.#fabric === undefined) throw new TypeError('the switch is stopped');
    return this.#fabric;
  }

  /** Starts the switch itself. */
  async begin(ports: Readonly<Record<string, object>>): Promise<void> {
    this.#fabric = await VioSwitch.start(parseConfig(this.configure(ports)), {
      onTrouble: (trouble) => this.troubles.push(trouble),
      onFailure: (reason) => this.failures.push(reason),
    });
  }

  /** A configuration of this network with these ports. */
  configure(ports: Readonly<Record<string, object>>): Record<string, unknown> {
    return {
      ...this.#config,
      ports: Object.entries(ports).map(([name, port]) => ({
        name,
        bridge: 'br',
        ...('tap' in port || 'uplink' in port || 'interface' in port ? {} : { socket: this.socket(name) }),
        ...port,
      })),
    };
  }

  socket(name: string): string {
    return join(this.directory, `${name}.sock`);
  }

  /** Connects a host to a port, if it is one that hosts connect to. */
  async connect(name: string, options: Parameters<typeof openVirtioUser>[1] = {}): Promise<Host | undefined> {
    const { config } = this.fabric.port(name);
    if (!('socket' in config)) return undefined;
    const host = new Host(
      await openVirtioUser({ path: config.socket, server: config.role === 'client' }, options),
    );
    this.hosts.set(name, host);
    await until(() => this.fabric.port(name).connected);
    return host;
  }

  async disconnect(name: string): Promise<void> {
    await this.host(name).port.close();
    this.hosts.delete(name);
    await until(() => !this.fabric.port(name).connected);
  }

  host(name: string): Host {
    const host = this.hosts.get(name);
    if (host === undefined) throw new TypeError(`nobody is connected to ${name}`);
    return host;
  }

  counter(port: string, name: PortCounterName): number {
    return this.fabric.counters()[port][name];
  }

  /**
   * Sends frames, and waits until the switch has dealt with them.
   * @returns what every other host has received, by name; who has received nothing is left out
   */
  async send(from: string, ...frames: readonly Uint8Array[]): Promise<Record<string, Uint8Array[]>> {
    for (const host of this.hosts.values()) host.received();
    const before = this.counter(from, 'rx_frames');
    for (const one of frames) await this.host(from).port.send(one);
    await until(() => this.counter(from, 'rx_frames') === before + frames.length);
    await this.#passed();
    const heard: Record<string, Uint8Array[]> = {};
    for (const [name, host] of this.hosts) {
      const received = host.received();
      if (received.length > 0) heard[name] = received;
    }
    return heard;
  }

  /** Nothing is on its way between threads any more, nor in the hands of one. */
  async #passed(): Promise<void> {
    const waiting = (): number =>
      this.fabric
        .workers()
        .reduce((sum, { trunks }) => sum + trunks.reduce((all, one) => all + one.waiting, 0), 0);
    // What has come out of one trunk may have gone into another meanwhile.
    for (let hop = 0; hop < 2; hop++) {
      await this.fabric.turn();
      await until(() => waiting() === 0);
    }
  }

  /** @returns the names of those who hear a frame, whatever it has become */
  async whoHears(from: string, sent: Uint8Array): Promise<string[]> {
    return Object.keys(await this.send(from, sent)).toSorted();
  }

  /** Ends the switch; hosts stay. */
  async stop(): Promise<void> {
    await this.#fabric?.close();
    this.#fabric = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { port } of this.hosts.values()) await port.close();
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Starts a network, as `Network.start` does. */
export type StartNetwork = typeof Network.start;

/** A suite for switches of one thread and of two, where every other port is on each: no host can tell them apart. */
export function onThreads(suite: (start: StartNetwork, workers: number) => void): void {
  describe.each([1, 2])('on %d threads,', (workers) => {
    suite((ports, more) => Network.start(ports, { workers, ...more }), workers);
  });
}
