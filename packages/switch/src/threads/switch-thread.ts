import type { VioError } from '@vio/native';
import type { RingState } from '@vio/net';
import type { PortConfig } from '../config/schema.ts';
import type { PortState } from '../ports/endpoint.ts';

/** What becomes of a port that mirrors, or is mirrored: numbers of ports. */
export interface MirrorOrder {
  readonly port: number;
  /** It gets copies, and nothing else. */
  readonly isMirror: boolean;
  /** Who gets copies of what comes in. */
  readonly in: number | undefined;
  /** Who gets copies of what goes out. */
  readonly out: number | undefined;
}

/** What a thread is told. */
export type ThreadOrder =
  /** A bridge is there, and learns in this memory. */
  | {
      readonly kind: 'bridge';
      readonly name: string;
      readonly id: number;
      readonly memory: SharedArrayBuffer;
    }
  | { readonly kind: 'drop-bridge'; readonly name: string }
  /** A port is there in another thread. */
  | { readonly kind: 'place'; readonly port: number; readonly bridge: string; readonly thread: number }
  /** It is gone. */
  | { readonly kind: 'displace'; readonly port: number }
  /** Open a port, which counts there. */
  | {
      readonly kind: 'open';
      readonly port: number;
      readonly config: PortConfig;
      readonly counters: SharedArrayBuffer;
    }
  /** VLANs and limits of a port that goes on. */
  | { readonly kind: 'rules'; readonly port: number; readonly config: PortConfig }
  | { readonly kind: 'close'; readonly port: number }
  /** All of them: other ports neither mirror nor are mirrored. */
  | { readonly kind: 'mirrors'; readonly mirrors: readonly MirrorOrder[] }
  /** No frame moves until `go`. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'go' }
  /** While frames are held: pass on what other threads have sent. */
  | { readonly kind: 'drain' }
  /** Close what is at the other ends of all ports. */
  | { readonly kind: 'disconnect' }
  /** Is it there? */
  | { readonly kind: 'ping' };

/** What can be seen of a port at its thread. */
export interface PortSight {
  /** What was negotiated with the other end; undefined: nobody is there. */
  readonly link: Readonly<Record<string, unknown>> | undefined;
  readonly state: PortState;
  readonly stats: Readonly<Record<string, number>>;
  readonly rings: readonly RingState[];
  readonly dump: Iterable<object>;
}

/** What a thread tells by itself. */
export interface ThreadListener {
  /** Somebody has come to a port, or has gone. */
  changed(port: number, connected: boolean): void;
  /** Something went wrong at a port, and everything else went on. */
  trouble(port: number, what: string, reason: Pick<VioError, 'code' | 'message'>): void;
}

/** Who wants to know what becomes of threads. */
export interface ThreadsListener extends ThreadListener {
  /** One has ended by itself, with all that it had. */
  failed(reason: VioError): void;
  /** One runs no more, for whatever reason: what it held in shared memory is nobody's. @param thread its number */
  ended(thread: number): void;
}

/** A thread with ports of a switch, seen from where the switch is: this one, or another. */
export interface SwitchThread {
  /** Ports that are polled at this moment. */
  readonly awake: number;
  /** Carries out an order; orders are begun one after the other. @throws VioError */
  do(order: ThreadOrder): Promise<void>;
  /** Of a port that is there. */
  see<K extends keyof PortSight>(port: number, what: K): PortSight[K];
  /** Nobody waits for it any more: it stands still. What it was told to do has failed. */
  abandon(): void;
  /** Ends the thread, if it is another one. Its ports are closed before. @returns false: it waits in the kernel, and cannot be ended */
  end(): Promise<boolean>;
}
