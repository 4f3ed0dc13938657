import type { Request, frontendRequests } from '../../wire/index.ts';
import type { ServedDevice } from '../device/served-device.ts';
import type { AnswerWithFd } from './answer-with-fd.ts';
import type { BoundExternHandlers } from './extern-handlers.ts';
import type { RegionClaims } from './region-claims.ts';

type Table = typeof frontendRequests;
export type RequestName = keyof Table;
type PayloadOf<N extends RequestName> = Table[N] extends Request<infer P, infer _R> ? P : never;
type ReplyOf<N extends RequestName> = Table[N] extends Request<infer _P, infer R> ? R : never;
/** In postcopy they are answered with where the memory is. */
type Placing = 'SET_MEM_TABLE' | 'ADD_MEM_REG';
/** A request without an answer of its own is at most acknowledged, which the connection does. */
type AnswerOf<N extends RequestName> =
  ReplyOf<N> extends undefined
    ? N extends Placing
      ? Uint8Array | undefined
      : void
    : ReplyOf<N> | AnswerWithFd<ReplyOf<N>>;

/** What a handler works on. */
export interface HandlerContext {
  readonly device: ServedDevice;
  /** Which memory was announced, and how often. */
  readonly claims: RegionClaims;
  /** Device features offered, with bit 30. */
  readonly offered: bigint;
  readonly offeredProtocol: bigint;
  /** What GET_QUEUE_NUM answers: queue pairs of a network card, queues of another device. */
  readonly queueNum: number;
  /** Rings that messages may name, from 0 on. */
  readonly rings: number;
  /** Handlers of the application. */
  readonly extern: BoundExternHandlers;
  /** The frontend asks that the network be told where an address is now. */
  readonly announced: (mac: string) => void;
}

/** Handles one request whose payload and descriptors were validated; the descriptors become the handler's. */
export type Handler<N extends RequestName> = (
  context: HandlerContext,
  payload: PayloadOf<N>,
  fds: readonly number[],
) => AnswerOf<N>;

/** Handlers by the names of the request table: another name, payload or answer does not compile. */
export type HandlerTable = { readonly [N in RequestName]?: Handler<N> };
