import type { LaneCounts } from '../forward/counts.ts';
import type { ChecksumWork } from '../forward/lane.ts';
import type { ForwardMode } from '../forward/mode-names.ts';
import type { MeteredTraffic } from '../forward/rates.ts';
import type { SendRetry } from '../forward/send-again.ts';

/** What is done with packets. */
export interface ForwardWork {
  readonly mode: ForwardMode;
  /** Bytes of each segment of the frames that are made. */
  readonly segments: readonly number[];
  /** Packets per burst, 1 to 512. */
  readonly burst: number;
  /** Bursts that are sent on every queue before it begins. */
  readonly txFirst: number;
  /** By number of the port that packets leave by. */
  readonly peers: ReadonlyMap<number, Uint8Array>;
  readonly checksums: ReadonlyMap<number, ChecksumWork>;
  /** VLAN tags that packets are given, by number of the port that they leave by. */
  readonly tags?: ReadonlyMap<number, number>;
  /** Default: what finds no room is dropped. */
  readonly retry?: SendRetry | undefined;
}

/** A queue of a port. */
export interface PortQueue {
  readonly port: number;
  readonly queue: number;
}

/** A way that packets take, with the addresses of the port they leave by. */
export interface StreamTask {
  readonly name: string;
  readonly from: PortQueue;
  readonly to: PortQueue;
  readonly own: Uint8Array;
  readonly peer: Uint8Array;
}

/** What passed one way since forwarding began. */
export interface StreamReport {
  readonly from: PortQueue;
  readonly to: PortQueue;
  /** Thread that forwards it, from 0. */
  readonly thread: number;
  readonly counts: Readonly<LaneCounts>;
}

/** The ports' queues, and who forwards between them. */
export interface Datapath extends MeteredTraffic, AsyncDisposable {
  readonly running: boolean;
  /** Threads that forward. */
  readonly threads: number;
  /** Those of now, or of the last time. */
  readonly streams: readonly StreamReport[];
  /** Begins to forward, with counts from 0. Resolves behind the bursts that come first, or when it is stopped meanwhile. */
  start(work: ForwardWork): Promise<void>;
  stop(): Promise<void>;
  /** Counters of a port that it does not have itself: how often its queues moved packets, and what other threads count. */
  besides(port: number): Record<string, number>;
  /** All counters of a port, by name. */
  stats(port: number): Readonly<Record<string, number>>;
  /** Lets them begin at 0. */
  resetStats(port: number): void;
  /** A port was closed: nothing of it is used any more. */
  portClosed(port: number): Promise<void>;
}
