import type { QueuePairHandle } from '@vio/net';
import type { LaneCounts } from '../forward/counts.ts';
import type { LaneTraffic } from '../forward/lane.ts';
import type { ForwardWork, StreamTask } from '../ports/datapath.ts';

/** What a thread is told when it starts. */
export interface ThreadPlace {
  /** The CPU that it runs on; undefined: any of the process's. */
  readonly cpu: number | undefined;
}

/** What a thread is told. It answers every request by its number, when that is done. */
export type WorkerRequest = { readonly id: number } & (
  | {
      /** Take over queue pairs. */
      readonly kind: 'adopt';
      readonly pairs: readonly { readonly port: number; readonly handle: QueuePairHandle }[];
    }
  | {
      /** Let go of those of a port that was closed. */
      readonly kind: 'forget';
      readonly port: number;
    }
  | { readonly kind: 'start'; readonly work: ForwardWork; readonly streams: readonly StreamTask[] }
  | { readonly kind: 'stop' }
);

/** A request without its number. */
export type WorkerOrder = WorkerRequest extends infer R ? (R extends unknown ? Omit<R, 'id'> : never) : never;

/** What passed one way so far. */
export interface CountedStream {
  readonly counts: LaneCounts;
  /** Steps that moved packets. */
  readonly bursts: number;
  readonly traffic: LaneTraffic;
}

/** What a thread says. */
export type WorkerReport =
  | { readonly kind: 'done'; readonly id: number; readonly failure: string | undefined }
  | {
      /** What has been counted so far. */
      readonly kind: 'counted';
      readonly pairs: readonly { readonly port: number; readonly stats: Readonly<Record<string, number>> }[];
      readonly streams: readonly CountedStream[];
    }
  | {
      readonly kind: 'broken';
      readonly port: number;
      readonly direction: 'rx' | 'tx';
      readonly queue: number;
      readonly detail: string;
    };
