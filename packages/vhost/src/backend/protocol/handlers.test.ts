import { expect, expectTypeOf, it } from 'vitest';
import { protocolFeatureNames } from '../../wire/index.ts';
import type { AnswerWithFd } from './answer-with-fd.ts';
import type { HandlerTable } from './handler.ts';
import { supportedProtocolFeatures } from './handlers.ts';

it('the protocol features served are those all of whose requests are handled, and REPLY_ACK', () => {
  expect(protocolFeatureNames(supportedProtocolFeatures)).toEqual([
    'MQ',
    'LOG_SHMFD',
    'RARP',
    'REPLY_ACK',
    'NET_MTU',
    'BACKEND_REQ',
    'PAGEFAULT',
    'CONFIG',
    'INFLIGHT_SHMFD',
    'RESET_DEVICE',
    'CONFIGURE_MEM_SLOTS',
    'STATUS',
  ]);
});

it('a handler is tied to its row: another name, payload or answer does not compile', () => {
  type Payload<N extends keyof HandlerTable> = Parameters<NonNullable<HandlerTable[N]>>[1];
  type Answer<N extends keyof HandlerTable> = ReturnType<NonNullable<HandlerTable[N]>>;
  expectTypeOf<Payload<'SET_FEATURES'>>().toEqualTypeOf<bigint>();
  expectTypeOf<Payload<'SET_VRING_NUM'>>().toEqualTypeOf<{
    readonly index: number;
    readonly value: number;
  }>();
  expectTypeOf<Answer<'GET_FEATURES'>>().toEqualTypeOf<bigint | AnswerWithFd<bigint>>();
  expectTypeOf<Answer<'SET_FEATURES'>>().toEqualTypeOf<void>();
  // @ts-expect-error There is no such request.
  ({ SET_VRING_NUMBER: () => {} }) satisfies HandlerTable;
  // @ts-expect-error A question without an answer.
  ({ GET_FEATURES: () => {} }) satisfies HandlerTable;
  // @ts-expect-error Its payload is 64 bits.
  ({ SET_FEATURES: (_context, _features: number) => {} }) satisfies HandlerTable;
});
