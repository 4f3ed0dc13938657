import { Bridge } from '../fabric/bridge.ts';
import type { Link } from '../fabric/link.ts';
import { MacTable } from '../fabric/mac-table.ts';
import { SwitchPort, trunkNumber } from '../fabric/switch-port.ts';

/** Makes the way from a bridge to the ports it has in another thread. */
export type OpenTrunk = (thread: number, bridge: number) => { link: Link; counters: Float64Array };

/** A bridge of a thread, with the trunks to those of the same name in other threads. */
class ThreadBridge {
  readonly bridge: Bridge;
  readonly id: number;
  /** By thread; and how many ports are behind each. */
  readonly #trunks = new Map<number, { readonly port: SwitchPort; ports: number }>();
  readonly #open: OpenTrunk;

  constructor(name: string, id: number, table: MacTable, open: OpenTrunk) {
    this.bridge = new Bridge(name, table);
    this.id = id;
    this.#open = open;
  }

  /** The port that stands for those of another thread. */
  trunk(thread: number): SwitchPort {
    return this.#trunkTo(thread).port;
  }

  place(number: number, thread: number): void {
    const trunk = this.#trunkTo(thread);
    // It takes part in floods while there is somebody behind it.
    if (trunk.ports++ === 0) this.bridge.add(trunk.port);
    this.bridge.place(number, trunk.port);
  }

  displace(number: number, thread: number): void {
    const trunk = this.#trunkTo(thread);
    this.bridge.place(number, undefined);
    if (--trunk.ports === 0) this.bridge.remove(trunk.port);
  }

  #trunkTo(thread: number): { readonly port: SwitchPort; ports: number } {
    let trunk = this.#trunks.get(thread);
    if (trunk === undefined) {
      const { link, counters } = this.#open(thread, this.id);
      trunk = { port: new SwitchPort(trunkNumber, `thread ${thread}`, counters), ports: 0 };
      trunk.port.link = link;
      this.#trunks.set(thread, trunk);
    }
    return trunk;
  }
}

/** The bridges of a switch in one thread, and where the ports of other threads are. */
export class ThreadBridges {
  readonly #thread: number;
  readonly #open: OpenTrunk;
  readonly #byName = new Map<string, ThreadBridge>();
  readonly #byId = new Map<number, ThreadBridge>();
  /** By number of the port. */
  readonly #places = new Map<number, { readonly bridge: ThreadBridge; readonly thread: number }>();

  /** @param thread its number */
  constructor(thread: number, open: OpenTrunk) {
    this.#thread = thread;
    this.#open = open;
  }

  /** A bridge is there, or learns in other memory. */
  set(name: string, id: number, memory: SharedArrayBuffer): void {
    const table = MacTable.of(memory, this.#thread);
    const there = this.#byName.get(name);
    if (there !== undefined) {
      there.bridge.table = table;
      return;
    }
    const made = new ThreadBridge(name, id, table, this.#open);
    this.#byName.set(name, made);
    this.#byId.set(id, made);
  }

  drop(name: string): void {
    const there = this.#byName.get(name);
    if (there === undefined) return;
    this.#byName.delete(name);
    this.#byId.delete(there.id);
  }

  /** One that was set. */
  find(name: string): ThreadBridge {
    const there = this.#byName.get(name);
    if (there !== undefined) return there;
    throw new RangeError(`there is no bridge ${name}`);
  }

  /** One whose frames have come from another thread; undefined: it is gone meanwhile. */
  byId(id: number): ThreadBridge | undefined {
    return this.#byId.get(id);
  }

  place(port: number, name: string, thread: number): void {
    const bridge = this.find(name);
    bridge.place(port, thread);
    this.#places.set(port, { bridge, thread });
  }

  displace(port: number): void {
    const place = this.#places.get(port);
    if (place === undefined) return;
    this.#places.delete(port);
    place.bridge.displace(port, place.thread);
  }

  /** Where another thread has a port; undefined: none has. */
  placeOf(port: number): { readonly bridge: ThreadBridge; readonly thread: number } | undefined {
    return this.#places.get(port);
  }
}
