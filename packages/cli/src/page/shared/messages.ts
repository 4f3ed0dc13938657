// What the stream of a live page says. Each message is an event of its name with one of these as JSON.
import type { LinkView, RingState, TelemetryEvent } from '@vio/net';
import type { TurnTimes } from '../../forward/turn-times.ts';

/** A port or device, as the list of them has it. */
export interface ListedPort {
  readonly id: number;
  readonly name: string;
  readonly kind: string;
  readonly up: boolean;
}

/** The port that is looked at. */
export interface PortLook extends ListedPort {
  readonly link: LinkView;
  readonly info: Readonly<Record<string, unknown>>;
  readonly stats: Readonly<Record<string, number>>;
  readonly rings: readonly RingState[];
  /** The elected paths of a port; a device elects none. */
  readonly paths?: { readonly rx: SeenPath; readonly tx: SeenPath };
}

export interface SeenPath {
  readonly path: string;
  readonly callback: string;
  readonly engine: string;
  readonly reason: string;
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
}

/** How long turns took since the look before; no packet carries a time, so this is not how long a packet took. */
export type TurnLook = ReturnType<TurnTimes['take']>;

/** `hello`: what runs, once. */
export interface Hello {
  readonly command: string;
  readonly version: string;
  readonly pid: number;
  readonly node: string;
  /** Packets are shown. */
  readonly packets: boolean;
}

/** `look`: everything at one moment. */
export interface Look {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Milliseconds on a clock that nobody sets: what rates are taken by. */
  readonly clock: number;
  /** Milliseconds until the next one. */
  readonly interval: number;
  readonly ports: readonly ListedPort[];
  /** Ports that there are besides. */
  readonly more: number;
  readonly port?: PortLook;
  readonly turns?: TurnLook;
}

/** `happened`: events since the message before. */
export interface Happened {
  /** Events that were forgotten before they could be told. */
  readonly lost: number;
  readonly events: readonly TelemetryEvent[];
}

/** `missed`: looks that were left out because the browser did not read. */
export interface Missed {
  readonly looks: number;
}

/** A packet of a sample. */
export interface SeenPacket {
  /** Each one has the next number. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** As in `rx0`. */
  readonly queue: string;
  readonly direction: 'in' | 'out';
  /** Of the whole frame. */
  readonly bytes: number;
  /** Its beginning, as base64. */
  readonly data: string;
}

/** `packets`: a sample of what passed. */
export interface Packets {
  readonly packets: readonly SeenPacket[];
}
