import type { PayloadCodec } from './payload-codec.ts';
import { none } from './scalar-payloads.ts';

/** Fewest and most file descriptors that come with a message. */
export type FdRange = readonly [min: number, max: number];

/** All there is to know about one kind of request: a row of the message table. */
export interface Request<P, R> {
  /** As the specification calls it. */
  readonly name: string;
  /** Its number on the wire. */
  readonly id: number;
  /** What the request holds. */
  readonly payload: PayloadCodec<P>;
  /** How many descriptors come with it. */
  readonly fds: FdRange;
  /** Exactly how many descriptors belong to this payload, where the payload says so. */
  fdsFor?(payload: P): number;
  /** The answer of its own; undefined: none, only an acknowledgement if the sender asks for it (REPLY_ACK). */
  readonly reply: PayloadCodec<R> | undefined;
  /** How many descriptors come with the answer. */
  readonly replyFds: FdRange;
  /** Protocol feature without which it must not be sent; 0: always allowed. */
  readonly feature: bigint;
}

/** Columns that most rows leave empty. */
export interface RequestColumns<P, R> {
  readonly fds?: FdRange;
  readonly fdsFor?: (payload: P) => number;
  readonly reply?: PayloadCodec<R>;
  readonly replyFds?: FdRange;
  readonly feature?: bigint;
}

const noFds: FdRange = [0, 0];

/** Writes one row. */
export function request<P = undefined, R = undefined>(
  name: string,
  id: number,
  payload: PayloadCodec<P>,
  columns: RequestColumns<P, R> = {},
): Request<P, R> {
  const { fds = noFds, fdsFor, reply, replyFds = noFds, feature = 0n } = columns;
  const row = { name, id, payload, fds, reply, replyFds, feature };
  return fdsFor === undefined ? row : { ...row, fdsFor };
}

/** Writes one row of a request that only asks. */
export function query<R>(
  name: string,
  id: number,
  reply: PayloadCodec<R>,
  columns: Omit<RequestColumns<undefined, R>, 'reply'> = {},
): Request<undefined, R> {
  return request(name, id, none, { ...columns, reply });
}
