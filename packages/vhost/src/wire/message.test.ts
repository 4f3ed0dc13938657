import { coded } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { frontendRequests } from './frontend-requests.ts';
import {
  type Header,
  type Message,
  decodeHeader,
  decodeReply,
  decodeRequest,
  encodeAck,
  encodeReply,
  encodeRequest,
  expectedAck,
  expectedReply,
  headerBytes,
  needsReply,
} from './message.ts';

const { GET_FEATURES, GET_VRING_BASE, SET_FEATURES, SET_MEM_TABLE, SET_VRING_KICK } = frontendRequests;
const region = { guestAddress: 0, size: 4096, userAddress: 0, mmapOffset: 0 };

function received(bytes: Uint8Array, fds: readonly number[] = [], changed: Partial<Header> = {}): Message {
  return { ...decodeHeader(bytes), ...changed, payload: bytes.subarray(headerBytes), fds };
}

describe('a request', () => {
  const bytes = encodeRequest(SET_FEATURES, 0x1_4000_0000n);

  it('is a header of three 32-bit numbers and the payload', () => {
    expect(Buffer.from(bytes).toString('hex')).toBe('0200000001000000080000000000004001000000');
  });

  it('is decoded to what was encoded', () => {
    expect(decodeRequest(SET_FEATURES, received(bytes))).toBe(0x1_4000_0000n);
  });

  it('can ask for an acknowledgement', () => {
    const asking = decodeHeader(encodeRequest(SET_FEATURES, 0n, true));
    expect([needsReply(decodeHeader(bytes)), needsReply(asking)]).toEqual([false, true]);
  });

  it.each([0x0, 0x2, 0x3])('of version %i is refused', (flags) => {
    expect(() => decodeRequest(SET_FEATURES, received(bytes, [], { flags }))).toThrow(
      coded('VIO_VHOST_MESSAGE_VERSION'),
    );
  });

  it.each([0x5, 0xd, 0x11, 0x8000_0001])('with flags %i is refused', (flags) => {
    expect(() => decodeRequest(SET_FEATURES, received(bytes, [], { flags }))).toThrow(
      coded('VIO_VHOST_MESSAGE_FLAGS'),
    );
  });

  it('with a descriptor it does not take is refused', () => {
    expect(() => decodeRequest(SET_FEATURES, received(bytes, [3]))).toThrow(coded('VIO_VHOST_MESSAGE_FDS'));
  });

  it('takes as many descriptors as regions', () => {
    const table = encodeRequest(SET_MEM_TABLE, [region, { ...region, guestAddress: 4096 }]);
    expect(decodeRequest(SET_MEM_TABLE, received(table, [3, 4]))).toHaveLength(2);
    expect(() => decodeRequest(SET_MEM_TABLE, received(table, [3]))).toThrow(
      /descriptors is 1, allowed is 2/,
    );
    expect(() => decodeRequest(SET_MEM_TABLE, received(table, [3, 4, 5]))).toThrow(/is 3, allowed is 2/);
  });

  it('takes a descriptor unless bit 8 of a vring index says there is none', () => {
    const withFd = encodeRequest(SET_VRING_KICK, { index: 1, hasFd: true });
    const without = encodeRequest(SET_VRING_KICK, { index: 1, hasFd: false });
    expect(decodeRequest(SET_VRING_KICK, received(withFd, [3]))).toEqual({ index: 1, hasFd: true });
    expect(decodeRequest(SET_VRING_KICK, received(without))).toEqual({ index: 1, hasFd: false });
    expect(() => decodeRequest(SET_VRING_KICK, received(withFd))).toThrow(coded('VIO_VHOST_MESSAGE_FDS'));
    expect(() => decodeRequest(SET_VRING_KICK, received(without, [3]))).toThrow(
      coded('VIO_VHOST_MESSAGE_FDS'),
    );
  });
});

describe('an answer', () => {
  const bytes = encodeReply(GET_VRING_BASE, { index: 2, value: 77 });
  const expected = expectedReply(GET_VRING_BASE);
  if (expected === undefined) throw new TypeError('GET_VRING_BASE is answered');

  it('carries the reply bit', () => {
    expect(Buffer.from(bytes).toString('hex')).toBe('0b0000000500000008000000020000004d000000');
  });

  it('is decoded to what was encoded', () => {
    expect(decodeReply(expected, received(bytes))).toEqual({ index: 2, value: 77 });
  });

  it('to another request is refused', () => {
    expect(() => decodeReply(expected, received(bytes, [], { request: 1 }))).toThrow(
      coded('VIO_VHOST_MESSAGE_UNEXPECTED'),
    );
  });

  it.each([0x4, 0x6])('of another version (flags %i) is refused', (flags) => {
    expect(() => decodeReply(expected, received(bytes, [], { flags }))).toThrow(
      coded('VIO_VHOST_MESSAGE_VERSION'),
    );
  });

  it.each([0x1, 0xd, 0x15])('with flags %i is refused', (flags) => {
    expect(() => decodeReply(expected, received(bytes, [], { flags }))).toThrow(
      coded('VIO_VHOST_MESSAGE_FLAGS'),
    );
  });

  it('with another size in its header is refused', () => {
    expect(() => decodeReply(expected, received(bytes, [], { size: 7 }))).toThrow(
      coded('VIO_VHOST_MESSAGE_SIZE'),
    );
  });

  it('with a descriptor is refused', () => {
    expect(() => decodeReply(expected, received(bytes, [3]))).toThrow(coded('VIO_VHOST_MESSAGE_FDS'));
  });

  it('is expected of a request only if its row says so', () => {
    expect(expectedReply(SET_FEATURES)).toBe(undefined);
    expect(expectedReply(GET_FEATURES)?.id).toBe(1);
    expect(() => encodeReply(SET_FEATURES, undefined)).toThrow(TypeError);
  });
});

describe('an acknowledgement', () => {
  it('answers the request with 64 bits', () => {
    const ack = expectedAck(SET_FEATURES);
    expect(decodeReply(ack, received(encodeAck(SET_FEATURES.id, 0)))).toBe(0n);
    expect(decodeReply(ack, received(encodeAck(SET_FEATURES.id, 1)))).toBe(1n);
  });
});
