import type { RingPositions } from '@vio/rings';

/** A ring as those see it who look at a running program. */
export interface RingState {
  /** As in `receiveq0`. */
  readonly name: string;
  /** As RING_PACKED was negotiated. */
  readonly format: 'split' | 'packed';
  /** Descriptors. */
  readonly size: number;
  /** Of those, how many this side's driver has given and not got back, or this side's device has yet to take. */
  readonly inUse: number;
  /** Why it stopped by itself. */
  readonly broken: string | undefined;
  /** Where its two sides have got to; undefined while it does not run. */
  readonly positions?: RingPositions | undefined;
}

/** The link, as DPDK tells it. */
export interface LinkView {
  /** Whether frames can pass. */
  readonly status: 'UP' | 'DOWN';
  /** Mbit/s; undefined: nobody says. */
  readonly speed?: number | undefined;
  /** As in `full`. */
  readonly duplex?: string | undefined;
  /** Why it is down. */
  readonly reason?: { readonly code: string; readonly message: string } | undefined;
}

/** Something that happened. */
export interface TelemetryEvent {
  /** Each one has the next number. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Number of the port or device. */
  readonly port: number;
  /** As in `link`, `reconnect`, `retry`, `broken`. */
  readonly type: string;
  /** What there is to say of it. */
  readonly data: unknown;
}

/** Tells of events until it is called off. */
export type EventFeed = (tell: (type: string, data: unknown) => void) => () => void;

/** What can be changed from outside, by name; arguments are texts. */
export type Controls = Readonly<Record<string, (args: readonly string[]) => unknown>>;

/** A port or device, as telemetry sees it. Everything is asked for when somebody wants to know. */
export interface TelemetrySource {
  /** For a person: the path of its backend, its address, its number. */
  readonly name: string;
  /** What it is: `port` or `device`. */
  readonly kind: string;
  /** What it is: address, MTU, features, ... */
  info(): Readonly<Record<string, unknown>>;
  /** All counters, by name. */
  stats(): Readonly<Record<string, number>>;
  /** Size and fill of every ring. */
  rings(): readonly RingState[];
  /** The state of its link. */
  link(): LinkView;
  /** The elected paths with what stood in the way of others; undefined: it elects none. */
  paths?(): unknown;
  /** Pool and shared memory. */
  memory(): Readonly<Record<string, unknown>>;
  /** Every ring as it lies in memory, each when it is asked for. */
  dump(): Iterable<object>;
  /**
   * The bytes of a pcapng file of what passes. Disposing of it, where that can be, ends it also while it waits for a packet.
   * @param snaplen bytes of each packet; undefined: all
   * @param buffer bytes that may wait to be read; undefined: 4 MiB
   */
  capture?(snaplen?: number, buffer?: number): AsyncIterable<Uint8Array> & Partial<Disposable>;
  /** How it tells of what happens. */
  readonly events?: EventFeed;
  /** What can be changed. */
  readonly controls?: Controls;
}
