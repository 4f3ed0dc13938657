import {
  type PayloadCodec,
  checkRange,
  checkSize,
  checkU64,
  fixedPayload,
  readAddress,
  writeAddress,
} from './payload-codec.ts';

/** No payload at all. */
export const none: PayloadCodec<undefined> = {
  minBytes: 0,
  maxBytes: 0,
  encode: () => new Uint8Array(0),
  decode(bytes, message) {
    checkSize(bytes.length, 0, 0, message);
    return undefined;
  },
};

/** A 64-bit mask or number. */
export const u64: PayloadCodec<bigint> = fixedPayload<bigint>({
  bytes: 8,
  write: (view, value) => view.setBigUint64(0, value, true),
  read: (view) => view.getBigUint64(0, true),
  check: (value, message) => checkU64(value, message, 'the value'),
});

/** A number that travels as 64 bits. */
export function wideNumber(min: number, max: number): PayloadCodec<number> {
  return fixedPayload<number>({
    bytes: 8,
    write: (view, value) => writeAddress(view, 0, value),
    read: (view) => readAddress(view, 0),
    check: (value, message) => checkRange(value, min, max, message, 'the value'),
  });
}

/** Bytes that vhost-user itself does not look into. */
export function opaque(minBytes: number, maxBytes: number): PayloadCodec<Uint8Array> {
  return {
    minBytes,
    maxBytes,
    encode(bytes, message) {
      checkSize(bytes.length, minBytes, maxBytes, message);
      return bytes.slice();
    },
    decode(bytes, message) {
      checkSize(bytes.length, minBytes, maxBytes, message);
      return bytes.slice();
    },
  };
}
