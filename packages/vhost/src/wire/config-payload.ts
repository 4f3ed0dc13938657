import { messageError } from './message-error.ts';
import { type PayloadCodec, checkRange, checkSize, viewOf } from './payload-codec.ts';

/** Bytes of device configuration space that vhost-user reaches. */
export const maxConfigBytes = 256;

/** A part of the device configuration space (virtio 1.4, section 2.5). */
export interface ConfigPart {
  /** Where `data` starts in the configuration space. */
  readonly offset: number;
  /** 0: a write by the driver; 1: restored by a live migration. */
  readonly flags: number;
  /** The bytes. */
  readonly data: Uint8Array;
}

const headBytes = 12;

export const configPart: PayloadCodec<ConfigPart> = {
  minBytes: headBytes + 1,
  maxBytes: headBytes + maxConfigBytes,
  encode(part, message) {
    check(part, message);
    const bytes = new Uint8Array(headBytes + part.data.length);
    const view = viewOf(bytes);
    view.setUint32(0, part.offset, true);
    view.setUint32(4, part.data.length, true);
    view.setUint32(8, part.flags, true);
    bytes.set(part.data, headBytes);
    return bytes;
  },
  decode(bytes, message) {
    checkSize(bytes.length, configPart.minBytes, configPart.maxBytes, message);
    const view = viewOf(bytes);
    const size = view.getUint32(4, true);
    if (size !== bytes.length - headBytes) {
      throw messageError(
        'VALUE',
        message,
        'the size field',
        size,
        `${bytes.length - headBytes}, as much as came`,
      );
    }
    const part = {
      offset: view.getUint32(0, true),
      flags: view.getUint32(8, true),
      data: bytes.slice(headBytes),
    };
    check(part, message);
    return part;
  },
};

function check(part: ConfigPart, message: string): void {
  checkRange(part.data.length, 1, maxConfigBytes, message, 'the size');
  checkRange(part.offset, 0, maxConfigBytes - part.data.length, message, 'the offset');
  checkRange(part.flags, 0, 1, message, 'flags');
}

/** The answer to GET_CONFIG: undefined, an empty payload, says that the backend could not read it. */
export const configReply: PayloadCodec<ConfigPart | undefined> = {
  minBytes: 0,
  maxBytes: configPart.maxBytes,
  encode: (part, message) => (part === undefined ? new Uint8Array(0) : configPart.encode(part, message)),
  decode: (bytes, message) => (bytes.length === 0 ? undefined : configPart.decode(bytes, message)),
};
