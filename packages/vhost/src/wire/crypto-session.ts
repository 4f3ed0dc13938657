import { messageError } from './message-error.ts';
import { type PayloadCodec, checkRange, viewOf } from './payload-codec.ts';

/** Bytes of the longest keys (QEMU's and DPDK's limits). */
export const maxCipherKeyBytes = 64;
/** Bytes of the longest key of a MAC. */
export const maxAuthKeyBytes = 512;
/** Bytes of the longest asymmetric key, in its encoding. */
export const maxAsymKeyBytes = 1024;

/**
 * The C structures in which peers send sessions, none of which the specification describes: `qemu-2.12` is that of QEMU up to 7.0
 * and of DPDK up to 24.11, `qemu-7.1` that of QEMU 7.1 and 7.2, which has lost its opcode, and `qemu-8.0` that of both since.
 */
export type CryptoSessionLayout = 'qemu-2.12' | 'qemu-7.1' | 'qemu-8.0';

/** A symmetric session; numbers are those of virtio 1.4, section 5.9. Also one of hashes, MACs and AEAD, as `opcode` says. */
export interface SymmetricSession {
  /** Of a cipher, or of AEAD. */
  readonly algorithm: number;
  /** Of that; at most 64 bytes. */
  readonly key: Uint8Array;
  /** Of the hash or MAC. */
  readonly hashAlgorithm: number;
  /** Key of a MAC, at most 512 bytes. */
  readonly authKey: Uint8Array;
  /** Bytes of a hash, MAC or AEAD tag. */
  readonly hashResultBytes: number;
  /** Bytes of additional authenticated data. */
  readonly aadBytes: number;
  /** 1: a cipher; 2: a cipher and a hash, chained. */
  readonly opType: number;
  /** 1: encrypts; 2: decrypts. */
  readonly direction: number;
  /** Of a chain: 1: a plain hash; 2: a MAC; 3: a nested hash. */
  readonly hashMode: number;
  /** Of a chain: 1: hash, then cipher; 2: cipher, then hash. */
  readonly chainOrder: number;
}

/** An asymmetric session. */
export interface AsymmetricSession {
  /** 1: RSA; 3: ECDSA. */
  readonly algorithm: number;
  /** 1: the key is public; 2: private. */
  readonly keyType: number;
  /** In its encoding, at most 1024 bytes. */
  readonly key: Uint8Array;
  /** Of RSA: its padding. Of ECDSA: its curve. */
  readonly padding: number;
  /** Of RSA: its hash. */
  readonly hashAlgorithm: number;
}

/** What CREATE_CRYPTO_SESSION asks for. */
export interface CryptoSessionRequest {
  /** How it is laid out. */
  readonly layout: CryptoSessionLayout;
  /** What the session is for: VIRTIO_CRYPTO_*_CREATE_SESSION. */
  readonly opcode: number;
  /** What it is like. */
  readonly session: SymmetricSession | AsymmetricSession;
}

/** What CREATE_CRYPTO_SESSION is answered with. */
export interface CryptoSessionReply {
  /** That of the request. */
  readonly layout: CryptoSessionLayout;
  /** Number of the session, or less than 0: minus a status of virtio-crypto. */
  readonly id: number;
}

const cipherCreateSession = 0x002;
export const akcipherCreateSession = 0x404;

const oldBytes = 632;
const newBytes = 1072;
/** Bytes of a symmetric session without its keys and in front of them, pointers and all. */
const symKeysAt = 48;
const asymKeyAt = 32;
/** Where the number of the session is, and the opcode and the session, by layout. */
const places = {
  'qemu-2.12': { bytes: oldBytes, id: 0, opcode: 8, session: 12, keys: 56 },
  'qemu-7.1': { bytes: oldBytes, id: 0, opcode: undefined, session: 8, keys: 56 },
  'qemu-8.0': { bytes: newBytes, id: newBytes - 8, opcode: 0, session: 8, keys: 8 + symKeysAt },
} as const;

/** True when a session is asymmetric. */
export function isAsymmetric(session: SymmetricSession | AsymmetricSession): session is AsymmetricSession {
  return 'keyType' in session;
}

/** The payload of CREATE_CRYPTO_SESSION. @throws VioError VIO_VHOST_MESSAGE_SIZE, VIO_VHOST_MESSAGE_VALUE */
export const cryptoSession: PayloadCodec<CryptoSessionRequest> = {
  minBytes: oldBytes,
  maxBytes: newBytes,
  encode({ layout, opcode, session }, message) {
    const place = places[layout];
    const bytes = new Uint8Array(place.bytes);
    const view = viewOf(bytes);
    if (place.opcode !== undefined) view.setUint32(place.opcode, opcode, true);
    else if (opcode !== cipherCreateSession)
      throw messageError('VALUE', message, 'the opcode', opcode, `${cipherCreateSession}`);
    if (isAsymmetric(session)) {
      if (layout !== 'qemu-8.0')
        throw messageError('VALUE', message, 'the layout', layout, 'qemu-8.0, of asymmetric sessions');
      writeAsymmetric(bytes, place.session, session, message);
    } else writeSymmetric(bytes, place, session, message);
    return bytes;
  },
  decode(bytes, message) {
    const layout = layoutOf(bytes, message);
    const place = places[layout];
    const view = viewOf(bytes);
    const opcode = place.opcode === undefined ? cipherCreateSession : view.getUint32(place.opcode, true);
    const session =
      layout === 'qemu-8.0' && opcode === akcipherCreateSession
        ? readAsymmetric(bytes, place.session, message)
        : readSymmetric(bytes, place, message);
    return { layout, opcode, session };
  },
};

/** The payload of its answer. @throws VioError VIO_VHOST_MESSAGE_SIZE */
export const cryptoSessionReply: PayloadCodec<CryptoSessionReply> = {
  minBytes: oldBytes,
  maxBytes: newBytes,
  encode({ layout, id }) {
    const bytes = new Uint8Array(places[layout].bytes);
    viewOf(bytes).setBigInt64(places[layout].id, BigInt(id), true);
    return bytes;
  },
  decode(bytes, message) {
    const layout = layoutOf(bytes, message);
    return { layout, id: Number(viewOf(bytes).getBigInt64(places[layout].id, true)) };
  },
};

/**
 * The two old layouts have one size. What QEMU 7.1 has at byte 32, the one before has at byte 36: the kind of a symmetric session,
 * which is never 0, where QEMU 7.1 has padding. Sessions that are none of a cipher have an opcode that is no algorithm.
 */
function layoutOf(bytes: Uint8Array, message: string): CryptoSessionLayout {
  if (bytes.length === newBytes) return 'qemu-8.0';
  if (bytes.length !== oldBytes)
    throw messageError('SIZE', message, 'the payload size', bytes.length, `${oldBytes} or ${newBytes} bytes`);
  const hasOpcode = bytes[36] !== 0 || viewOf(bytes).getUint32(8, true) > 0xff;
  return hasOpcode ? 'qemu-2.12' : 'qemu-7.1';
}

interface Place {
  readonly session: number;
  readonly keys: number;
}

function writeSymmetric(bytes: Uint8Array, place: Place, session: SymmetricSession, message: string): void {
  const { key, authKey } = session;
  checkKeys(key.length, authKey.length, message);
  const view = viewOf(bytes);
  const words = [
    session.algorithm,
    key.length,
    session.hashAlgorithm,
    session.hashResultBytes,
    authKey.length,
    session.aadBytes,
  ];
  words.forEach((word, i) => view.setUint32(place.session + 4 * i, word, true));
  const { opType, direction, hashMode, chainOrder } = session;
  bytes.set([opType, direction, hashMode, chainOrder], place.session + 4 * words.length);
  bytes.set(key, place.keys);
  bytes.set(authKey, place.keys + maxCipherKeyBytes);
}

function readSymmetric(bytes: Uint8Array, place: Place, message: string): SymmetricSession {
  const view = viewOf(bytes);
  const word = (i: number): number => view.getUint32(place.session + 4 * i, true);
  const byte = (i: number): number => bytes[place.session + 24 + i];
  const [keyBytes, authKeyBytes] = [word(1), word(4)];
  checkKeys(keyBytes, authKeyBytes, message);
  const authKeyAt = place.keys + maxCipherKeyBytes;
  return {
    algorithm: word(0),
    key: bytes.slice(place.keys, place.keys + keyBytes),
    hashAlgorithm: word(2),
    authKey: bytes.slice(authKeyAt, authKeyAt + authKeyBytes),
    hashResultBytes: word(3),
    aadBytes: word(5),
    opType: byte(0),
    direction: byte(1),
    hashMode: byte(2),
    chainOrder: byte(3),
  };
}

function checkKeys(cipher: number, auth: number, message: string): void {
  checkRange(cipher, 0, maxCipherKeyBytes, message, 'the length of the cipher key');
  checkRange(auth, 0, maxAuthKeyBytes, message, 'the length of the authentication key');
}

function writeAsymmetric(bytes: Uint8Array, at: number, session: AsymmetricSession, message: string): void {
  const { algorithm, keyType, key, padding, hashAlgorithm } = session;
  checkRange(key.length, 0, maxAsymKeyBytes, message, 'the length of the key');
  const view = viewOf(bytes);
  [algorithm, keyType, key.length].forEach((word, i) => view.setUint32(at + 4 * i, word, true));
  view.setUint32(at + 24, padding, true);
  view.setUint32(at + 28, hashAlgorithm, true);
  bytes.set(key, at + asymKeyAt);
}

function readAsymmetric(bytes: Uint8Array, at: number, message: string): AsymmetricSession {
  const view = viewOf(bytes);
  const keyBytes = view.getUint32(at + 8, true);
  checkRange(keyBytes, 0, maxAsymKeyBytes, message, 'the length of the key');
  return {
    algorithm: view.getUint32(at, true),
    keyType: view.getUint32(at + 4, true),
    key: bytes.slice(at + asymKeyAt, at + asymKeyAt + keyBytes),
    padding: view.getUint32(at + 24, true),
    hashAlgorithm: view.getUint32(at + 28, true),
  };
}
