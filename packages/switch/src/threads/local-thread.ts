import type { PacketBurst } from '@vio/net';
import { SwitchPort } from '../fabric/switch-port.ts';
import { ticks } from '../fabric/ticks.ts';
import { createFabric } from '../ports/fabric.ts';
import { ManagedPort } from '../ports/managed-port.ts';
import { endpointOf } from '../ports/open-endpoint.ts';
import type { PortConfig } from '../config/schema.ts';
import type { MirrorOrder, PortSight, SwitchThread, ThreadListener, ThreadOrder } from './switch-thread.ts';
import { ThreadBridges } from './thread-bridges.ts';
import { TrunkLink } from './trunk-link.ts';
import type { TrunkMemory } from './trunk-memory.ts';
import { TrunkReceiver, type TrunkSink } from './trunk-receiver.ts';
import { TrunkSender } from './trunk-sender.ts';

/** The ways between a thread and another one. */
export interface Trunk {
  /** Number of the other thread. */
  readonly thread: number;
  /** From there. */
  readonly from: TrunkMemory;
  /** To there. */
  readonly to: TrunkMemory;
  /** What this thread counts of it, as of a port. */
  readonly counters: Float64Array;
}

/** The thread that this runs on: its ports, the bridges between them, and the ways to other threads. */
export class LocalThread implements SwitchThread {
  readonly #fabric = createFabric();
  readonly #bridges: ThreadBridges;
  readonly #trunks = new Map<number, { readonly sender: TrunkSender; readonly counters: Float64Array }>();
  readonly #receivers: TrunkReceiver[] = [];
  readonly #ports = new Map<number, ManagedPort>();
  /** In the place of ports of other threads that mirror those of this one, by number. */
  readonly #mirrors = new Map<number, SwitchPort>();
  readonly #listener: ThreadListener;

  /** @param number of this thread */
  constructor(number: number, trunks: readonly Trunk[], listener: ThreadListener) {
    this.#listener = listener;
    this.#bridges = new ThreadBridges(number, (thread, bridge) => {
      const { sender, counters } = this.#trunkTo(thread);
      return { link: new TrunkLink(sender, { bridge }), counters };
    });
    for (const { thread, from, to, counters } of trunks) {
      this.#trunks.set(thread, { sender: new TrunkSender(to), counters });
      this.#receivers.push(new TrunkReceiver(from, this.#fabric.rounds, this.#sinkOf(thread)));
    }
  }

  get awake(): number {
    return this.#fabric.rounds.awake;
  }

  async do(order: ThreadOrder): Promise<void> {
    switch (order.kind) {
      case 'bridge':
        return this.#bridges.set(order.name, order.id, order.memory);
      case 'drop-bridge':
        return this.#bridges.drop(order.name);
      case 'place':
        return this.#bridges.place(order.port, order.bridge, order.thread);
      case 'displace':
        this.#mirrors.delete(order.port);
        return this.#bridges.displace(order.port);
      case 'open':
        return this.#open(order.port, order.config, new Float64Array(order.counters));
      case 'rules':
        return this.#ports.get(order.port)?.applyRules(order.config);
      case 'close':
        return this.#close(order.port);
      case 'mirrors':
        return this.#mirror(order.mirrors);
      case 'hold':
        return this.#fabric.rounds.hold();
      case 'go':
        return this.#fabric.rounds.go();
      case 'drain':
        return this.#drain();
      case 'disconnect':
        await Promise.all(Array.from(this.#ports.values(), async ({ endpoint }) => endpoint?.close()));
        return;
      case 'ping':
    }
  }

  see<K extends keyof PortSight>(port: number, what: K): PortSight[K] {
    const managed = this.#ports.get(port);
    const link = managed?.port.link;
    const sights: { readonly [W in keyof PortSight]: () => PortSight[W] } = {
      link: () => link?.describe(),
      state: () => managed?.state ?? 'waiting',
      stats: () => link?.stats() ?? {},
      rings: () => link?.rings?.() ?? [],
      dump: () => link?.dump?.() ?? [],
    };
    return sights[what]();
  }

  abandon(): void {
    // Whoever would say it is this thread.
  }

  end(): Promise<boolean> {
    this.#fabric.rounds.hold();
    for (const receiver of this.#receivers) receiver.close();
    return Promise.resolve(true);
  }

  async #open(number: number, config: PortConfig, counters: Float64Array): Promise<void> {
    const { bridge } = this.#bridges.find(config.bridge);
    const managed = new ManagedPort(
      config,
      { number, bridge, fabric: this.#fabric, counters },
      {
        onChange: () => this.#listener.changed(number, managed.connected),
        onTrouble: (what, reason) => this.#listener.trouble(number, what, reason),
      },
    );
    managed.endpoint = endpointOf(config, managed);
    this.#ports.set(number, managed);
    bridge.add(managed.port);
    await managed.endpoint.start();
  }

  async #close(number: number): Promise<void> {
    const managed = this.#ports.get(number);
    if (managed === undefined) return;
    // First the memory is left alone.
    this.#fabric.rounds.remove(managed);
    managed.bridge.remove(managed.port);
    this.#ports.delete(number);
    await managed.endpoint?.close();
    managed.port.link = undefined;
  }

  #mirror(mirrors: readonly MirrorOrder[]): void {
    const orders = new Map(mirrors.map((order) => [order.port, order]));
    for (const [number, { port }] of this.#ports) {
      const order = orders.get(number);
      const target = (to: number | undefined): SwitchPort | undefined =>
        to === undefined ? undefined : this.#mirrorOf(to);
      port.isMirror = order?.isMirror ?? false;
      port.mirrorIn = target(order?.in);
      port.mirrorOut = target(order?.out);
    }
  }

  /** The port that gets copies; what stands for it, when another thread has it. */
  #mirrorOf(number: number): SwitchPort | undefined {
    const place = this.#bridges.placeOf(number);
    if (place === undefined) return this.#ports.get(number)?.port;
    let mirror = this.#mirrors.get(number);
    if (mirror === undefined) {
      const { sender, counters } = this.#trunkTo(place.thread);
      mirror = new SwitchPort(number, `mirror ${number}`, counters);
      mirror.link = new TrunkLink(sender, { bridge: place.bridge.id, port: number });
      this.#mirrors.set(number, mirror);
    }
    return mirror;
  }

  /** What others have sent, to the last packet: nobody sends any more, or only copies of these to who mirrors. */
  #drain(): void {
    const now = ticks();
    for (const receiver of this.#receivers) while (receiver.poll(now) > 0);
  }

  #trunkTo(thread: number): { readonly sender: TrunkSender; readonly counters: Float64Array } {
    const trunk = this.#trunks.get(thread);
    if (trunk === undefined) throw new RangeError(`there is no thread ${thread}`);
    return trunk;
  }

  #sinkOf(thread: number): TrunkSink {
    return {
      forward: (id, burst, now) => {
        const there = this.#bridges.byId(id);
        there?.bridge.forward(there.trunk(thread), burst, now);
      },
      copies: (id, number, burst) => this.#copies(id, number, burst),
    };
  }

  #copies(id: number, number: number, burst: PacketBurst): void {
    const managed = this.#ports.get(number);
    // One of another bridge may have the number meanwhile.
    if (managed === undefined || managed.bridge !== this.#bridges.byId(id)?.bridge) return;
    managed.port.send(burst, 0, burst.count);
  }
}
