import { messageError } from './message-error.ts';

/**
 * The bytes of one kind of payload. Both directions validate, so that nothing wrong is sent either; `message` is
 * the name of the message, for the error. Numbers travel in the byte order of the machine, which on all supported
 * ones is little-endian.
 */
export interface PayloadCodec<T> {
  /** Bytes of the shortest payload. */
  readonly minBytes: number;
  /** Bytes of the longest payload. */
  readonly maxBytes: number;
  /** @throws VioError VIO_VHOST_MESSAGE_VALUE */
  encode(value: T, message: string): Uint8Array;
  /** @throws VioError VIO_VHOST_MESSAGE_SIZE, VIO_VHOST_MESSAGE_VALUE */
  decode(bytes: Uint8Array, message: string): T;
}

/** How a payload of fixed size is laid out and what its fields may be. */
export interface Layout<T> {
  /** Bytes sent. */
  readonly bytes: number;
  /** Bytes that will do when received, where implementations disagree about padding at the end. */
  readonly minBytes?: number;
  write(view: DataView, value: T): void;
  read(view: DataView): T;
  check(value: T, message: string): void;
}

export function fixedPayload<T>(layout: Layout<T>): PayloadCodec<T> {
  const { bytes, minBytes = bytes } = layout;
  return {
    minBytes,
    maxBytes: bytes,
    encode(value, message) {
      layout.check(value, message);
      const encoded = new Uint8Array(bytes);
      layout.write(viewOf(encoded), value);
      return encoded;
    },
    decode(encoded, message) {
      checkSize(encoded.length, minBytes, bytes, message);
      const value = layout.read(viewOf(encoded));
      layout.check(value, message);
      return value;
    },
  };
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @throws VioError VIO_VHOST_MESSAGE_SIZE */
export function checkSize(bytes: number, min: number, max: number, message: string): void {
  if (bytes >= min && bytes <= max) return;
  const allowed = min === max ? `${min}` : `${min} to ${max}`;
  throw messageError('SIZE', message, 'the payload size', bytes, `${allowed} bytes`);
}

/** @throws VioError VIO_VHOST_MESSAGE_VALUE unless min <= value <= max and it is whole */
export function checkRange(value: number, min: number, max: number, message: string, field: string): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw messageError('VALUE', message, field, value, `${min} to ${max}`);
}

/** @throws VioError VIO_VHOST_MESSAGE_VALUE unless the value is a whole number below 2^53 */
export function checkAddress(value: number, message: string, field: string, multipleOf = 1): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw messageError('VALUE', message, field, value, '0 to 2^53 - 1');
  }
  if (value % multipleOf !== 0) {
    throw messageError('VALUE', message, field, value, `a multiple of ${multipleOf}`);
  }
}

/** @throws VioError VIO_VHOST_MESSAGE_VALUE unless the value fits 64 bits */
export function checkU64(value: bigint, message: string, field: string): void {
  if (value >= 0n && value < 1n << 64n) return;
  throw messageError('VALUE', message, field, value, '0 to 2^64 - 1');
}

const high = 2 ** 32;

/** Reads 64 bits as a number; from 2^53 on it is inexact, but never below 2^53. */
export function readAddress(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * high + view.getUint32(at, true);
}

export function writeAddress(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % high, true);
  view.setUint32(at + 4, Math.floor(value / high), true);
}
