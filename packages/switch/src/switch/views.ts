import type { PortConfig } from '../config/schema.ts';
import type { MacEntry } from '../fabric/mac-table.ts';
import type { PortState } from '../ports/endpoint.ts';
import type { ManagedPort, PortOrigin } from '../ports/managed-port.ts';

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

export function portView({ config, bridge, origin, connected, state, port }: ManagedPort): PortView {
  return {
    name: config.name,
    bridge: bridge.name,
    origin,
    connected,
    state,
    config,
    link: port.link?.describe(),
  };
}
