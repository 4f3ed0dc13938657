import { VioError } from '@vio/native';
import { messageError } from './message-error.ts';
import { type PayloadCodec, checkSize, viewOf } from './payload-codec.ts';
import type { FdRange, Request } from './request.ts';
import { u64 } from './scalar-payloads.ts';

/** The first 12 bytes of every message. */
export interface Header {
  /** Which request this is or answers. */
  readonly request: number;
  /** Bits 0 and 1: version; bit 2: it is an answer; bit 3: an acknowledgement is wanted. */
  readonly flags: number;
  /** Bytes of payload that follow. */
  readonly size: number;
}

/** A message as it came. */
export interface Message extends Header {
  /** What follows the header. */
  readonly payload: Uint8Array;
  /** Whoever holds the message owns them. */
  readonly fds: readonly number[];
}

/** Bytes of a header. */
export const headerBytes = 12;

const version = 0x1;
const versionMask = 0x3;
const replyFlag = 0x4;
const needReplyFlag = 0x8;

/** Reads a header. @param bytes `headerBytes` of them at least */
export function decodeHeader(bytes: Uint8Array): Header {
  const view = viewOf(bytes);
  return { request: view.getUint32(0, true), flags: view.getUint32(4, true), size: view.getUint32(8, true) };
}

/** A header and the payload behind it, unvalidated: the building block of the others, and of tests. */
export function encodeRaw(id: number, flags: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + payload.length);
  const view = viewOf(bytes);
  view.setUint32(0, id, true);
  view.setUint32(4, flags, true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, headerBytes);
  return bytes;
}

/** @throws VioError VIO_VHOST_MESSAGE_VALUE when the payload is none that this request may have */
export function encodeRequest<P>(request: Request<P, unknown>, payload: P, needReply = false): Uint8Array {
  const flags = version | (needReply ? needReplyFlag : 0);
  return encodeRaw(request.id, flags, request.payload.encode(payload, request.name));
}

/** The answer to a request. @throws TypeError when it has none of its own (its row says so) */
export function encodeReply<R>(request: Request<unknown, R>, value: R): Uint8Array {
  if (request.reply === undefined) throw new TypeError(`${request.name} has no answer of its own`);
  return encodeRaw(request.id, version | replyFlag, request.reply.encode(value, nameOfReply(request)));
}

/** An answer whose payload somebody else has encoded. */
export function encodeRawReply(requestId: number, payload: Uint8Array): Uint8Array {
  return encodeRaw(requestId, version | replyFlag, payload);
}

/** The answer to need_reply: 0 says done, anything else refused. */
export function encodeAck(requestId: number, result: 0 | 1): Uint8Array {
  return encodeRaw(requestId, version | replyFlag, u64.encode(BigInt(result), 'acknowledgement'));
}

/** True if the sender asks for an acknowledgement (REPLY_ACK). */
export function needsReply(header: Header): boolean {
  return (header.flags & needReplyFlag) !== 0;
}

/**
 * Validates the header of a request: version, flags, size of the payload.
 * @throws VioError VIO_VHOST_MESSAGE_VERSION, _FLAGS, _SIZE
 */
export function checkRequestHeader(request: Request<unknown, unknown>, header: Header): void {
  checkVersion(request.name, header);
  const flags = header.flags & ~(versionMask | needReplyFlag);
  if (flags !== 0) {
    throw messageError(
      'FLAGS',
      request.name,
      'flags',
      hex(header.flags),
      `${hex(version)} or ${hex(version | needReplyFlag)}`,
    );
  }
  checkSize(header.size, request.payload.minBytes, request.payload.maxBytes, request.name);
}

/**
 * Validates a request wholly and reads its payload. Does not close descriptors.
 * @throws VioError VIO_VHOST_MESSAGE_VERSION, _FLAGS, _SIZE, _VALUE, _FDS
 */
export function decodeRequest<P>(request: Request<P, unknown>, message: Message): P {
  checkRequestHeader(request, message);
  const payload = request.payload.decode(message.payload, request.name);
  const exactly = request.fdsFor?.(payload);
  checkFds(request.name, message, exactly === undefined ? request.fds : [exactly, exactly]);
  return payload;
}

/** What must come back for a request. */
export interface ExpectedReply<R> {
  /** For errors. */
  readonly name: string;
  /** Number of the request that is answered. */
  readonly id: number;
  /** What the answer holds. */
  readonly payload: PayloadCodec<R>;
  /** How many descriptors come with it. */
  readonly fds: FdRange;
  /** It says no more than that something was done: requests that follow may be on their way before it is there. */
  readonly acknowledges: boolean;
}

/** The acknowledgement of a request sent with need_reply: 0n, or why not. */
export function expectedAck(request: Request<unknown, unknown>): ExpectedReply<bigint> {
  const name = `acknowledgement of ${request.name}`;
  return { name, id: request.id, payload: u64, fds: [0, 0], acknowledges: true };
}

/** The answer of its own of a request; undefined if it has none. */
export function expectedReply<R>(request: Request<unknown, R>): ExpectedReply<R> | undefined {
  if (request.reply === undefined) return undefined;
  const { id, reply: payload, replyFds: fds } = request;
  return { name: nameOfReply(request), id, payload, fds, acknowledges: false };
}

/**
 * Validates the header of an answer: the request it answers, version, flags, size.
 * @throws VioError VIO_VHOST_MESSAGE_UNEXPECTED, _VERSION, _FLAGS, _SIZE; VIO_VHOST_BOTH_FRONTENDS
 */
export function checkReplyHeader(expected: ExpectedReply<unknown>, header: Header): void {
  refuseFrontend(header, expected);
  if (header.request !== expected.id) {
    throw messageError('UNEXPECTED', expected.name, 'the request number', header.request, `${expected.id}`);
  }
  checkVersion(expected.name, header);
  if (header.flags !== (version | replyFlag)) {
    throw messageError('FLAGS', expected.name, 'flags', hex(header.flags), hex(version | replyFlag));
  }
  checkSize(header.size, expected.payload.minBytes, expected.payload.maxBytes, expected.name);
}

/**
 * Validates an answer wholly and reads its payload. Does not close descriptors.
 * @throws VioError VIO_VHOST_MESSAGE_UNEXPECTED, _VERSION, _FLAGS, _SIZE, _VALUE, _FDS
 */
export function decodeReply<R>(expected: ExpectedReply<R>, message: Message): R {
  checkReplyHeader(expected, message);
  checkFds(expected.name, message, expected.fds);
  return expected.payload.decode(message.payload, expected.name);
}

function nameOfReply(request: Request<unknown, unknown>): string {
  return `answer to ${request.name}`;
}

function checkVersion(name: string, header: Header): void {
  const found = header.flags & versionMask;
  if (found !== version) throw messageError('VERSION', name, 'the protocol version', found, `${version}`);
}

function checkFds(name: string, { fds }: Message, [min, max]: FdRange): void {
  if (fds.length >= min && fds.length <= max) return;
  const allowed = min === max ? `${min}` : `${min} to ${max}`;
  throw messageError('FDS', name, 'the number of file descriptors', fds.length, allowed);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

const setOwnerId = 3;

/**
 * Refuses what a frontend says first, in the place of an answer: SET_OWNER, or the very question that waits for one.
 * @param expected what is waited for, if anything is
 * @throws VioError VIO_VHOST_BOTH_FRONTENDS
 */
export function refuseFrontend(
  { request: id, flags, size }: Header,
  expected?: ExpectedReply<unknown>,
): void {
  const asked = id === setOwnerId || (id === expected?.id && expected.payload.minBytes > 0);
  if (!asked || size > 0 || (flags & replyFlag) !== 0) return;
  throw new VioError('both sides are frontends: the other one asks what it was asked', {
    code: 'VIO_VHOST_BOTH_FRONTENDS',
    remedy: 'one of them has to be the backend: a port (server=0 or 1) needs one, such as vio backend',
  });
}
