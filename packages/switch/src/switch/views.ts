import type { PortConfig } from '../config/schema.ts';
import type { MacEntry } from '../fabric/mac-table.ts';
import type { PortState } from '../ports/endpoint.ts';
import type { TrunkView } from '../threads/threads.ts';
import type { PortOrigin, TablePort } from './table-port.ts';

/** A port as it is told of. */
export interface PortView {
  /** Of the port, unique in the switch. */
  readonly name: string;
  /** Name of its bridge. */
  readonly bridge: string;
  /** Who made it. */
  readonly origin: PortOrigin;
  /** Number of the thread that has it. */
  readonly worker: number;
  /** Whether somebody is at its other end. */
  readonly connected: boolean;
  /** Whether somebody is; if not, why. */
  readonly state: PortState;
  /** What it was made from. */
  readonly config: PortConfig;
  /** What was negotiated with the other end, if there is one. */
  readonly link: Readonly<Record<string, unknown>> | undefined;
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

/** A thread of the switch, as it is told of. */
export interface WorkerView {
  /** Its number. 0 is the one that the switch was started in. */
  readonly worker: number;
  /** Ports that it has. */
  readonly ports: number;
  /** How many of them, and of the ways from other threads, it polls at this moment; the others sleep. */
  readonly awake: number;
  /** What has gone to each of the others. */
  readonly trunks: readonly TrunkView[];
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

export function portView({ config, origin, worker, connected, state, link }: TablePort): PortView {
  return { name: config.name, bridge: config.bridge, origin, worker, connected, state, config, link };
}
