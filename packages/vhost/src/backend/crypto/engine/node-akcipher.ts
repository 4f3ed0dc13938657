import {
  type KeyObject,
  constants,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  privateEncrypt,
  publicDecrypt,
  publicEncrypt,
  timingSafeEqual,
} from 'node:crypto';
import type { CryptoEngineSession, CryptoOperation, CryptoStatus } from '../crypto-engine.ts';
import type { AkcipherParameters } from '../crypto-parameters.ts';
import * as virtio from '../numbers.ts';
import { gather, writePieces } from '../pieces.ts';
import { digestInfo, knowsHash } from './digest-info.ts';

const { RSA_NO_PADDING, RSA_PKCS1_PADDING } = constants;

export function openAkcipher(parameters: AkcipherParameters): CryptoEngineSession | CryptoStatus {
  if (parameters.algorithm !== virtio.VIRTIO_CRYPTO_AKCIPHER_RSA) return virtio.VIRTIO_CRYPTO_NOTSUPP;
  const raw = parameters.padding === virtio.VIRTIO_CRYPTO_RSA_RAW_PADDING;
  if (!raw && parameters.padding !== virtio.VIRTIO_CRYPTO_RSA_PKCS1_PADDING)
    return virtio.VIRTIO_CRYPTO_NOTSUPP;
  if (!raw && !knowsHash(parameters.hash)) return virtio.VIRTIO_CRYPTO_NOTSUPP;
  const key = rsaKey(parameters);
  if (key === undefined) return virtio.VIRTIO_CRYPTO_KEY_REJECTED;
  const rsa = new Rsa(key, raw, parameters.hash);
  return { perform: (operation) => rsa.perform(operation), close() {} };
}

/** Undefined: it is no key of RSA. */
function rsaKey({ key, isPrivate }: AkcipherParameters): KeyObject | undefined {
  const input = { key: Buffer.from(key), format: 'der', type: 'pkcs1' } as const;
  try {
    return isPrivate ? createPrivateKey(input) : createPublicKey(input);
  } catch {
    return undefined;
  }
}

/** RSA with one key. */
class Rsa {
  readonly #key: KeyObject;
  readonly #raw: boolean;
  readonly #hash: number;
  /** Bytes of the modulus: of everything that it makes, but for padding that is taken off. */
  readonly #bytes: number;

  constructor(key: KeyObject, raw: boolean, hash: number) {
    this.#key = key;
    this.#raw = raw;
    this.#hash = hash;
    this.#bytes = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
  }

  perform(operation: CryptoOperation): CryptoStatus {
    const source = gather(operation.source);
    switch (operation.opcode) {
      case virtio.VIRTIO_CRYPTO_AKCIPHER_ENCRYPT:
        return this.#put(
          operation,
          this.#attempt(() => publicEncrypt(this.#padded(), this.#input(source))),
        );
      case virtio.VIRTIO_CRYPTO_AKCIPHER_DECRYPT:
        return this.#private(() => this.#put(operation, this.#decrypt(source)));
      case virtio.VIRTIO_CRYPTO_AKCIPHER_SIGN:
        return this.#private(() => this.#put(operation, this.#sign(source)));
      case virtio.VIRTIO_CRYPTO_AKCIPHER_VERIFY:
        return this.#verify(source, operation.signed);
      default:
        return virtio.VIRTIO_CRYPTO_NOTSUPP;
    }
  }

  /** What a public key cannot do. */
  #private(perform: () => CryptoStatus): CryptoStatus {
    return this.#key.type === 'private' ? perform() : virtio.VIRTIO_CRYPTO_KEY_REJECTED;
  }

  /** @param result undefined: what was to be worked on makes no sense */
  #put(operation: CryptoOperation, result: Uint8Array | undefined): CryptoStatus {
    if (result === undefined) return virtio.VIRTIO_CRYPTO_BADMSG;
    if (result.length > operation.produced) return virtio.VIRTIO_CRYPTO_BADMSG;
    writePieces(operation.destination, 0, result);
    operation.produced = result.length;
    return virtio.VIRTIO_CRYPTO_OK;
  }

  #padded(): { key: KeyObject; padding: number } {
    return { key: this.#key, padding: this.#raw ? RSA_NO_PADDING : RSA_PKCS1_PADDING };
  }

  /** What is no longer than the modulus is as long with zeroes in front, without padding of another kind. */
  #input(source: Uint8Array): Uint8Array {
    if (!this.#raw || source.length >= this.#bytes) return source;
    const filled = new Uint8Array(this.#bytes);
    filled.set(source, this.#bytes - source.length);
    return filled;
  }

  #sign(source: Uint8Array): Uint8Array | undefined {
    const signed = this.#raw ? this.#input(source) : digestInfo(this.#hash, source);
    return signed && this.#attempt(() => privateEncrypt(this.#padded(), signed));
  }

  /** OpenSSL before 3.2 does not take PKCS #1 off by itself here (CVE-2023-46809): versions of Node refuse to ask it. */
  #decrypt(source: Uint8Array): Uint8Array | undefined {
    const whole = this.#attempt(() =>
      privateDecrypt({ key: this.#key, padding: RSA_NO_PADDING }, this.#raw ? this.#input(source) : source),
    );
    return whole === undefined || this.#raw ? whole : withoutPadding(whole);
  }

  #verify(signature: Uint8Array, message: Uint8Array): CryptoStatus {
    const found = this.#attempt(() => publicDecrypt(this.#padded(), this.#input(signature)));
    const wanted = this.#raw ? this.#input(message) : digestInfo(this.#hash, message);
    if (wanted === undefined) return virtio.VIRTIO_CRYPTO_BADMSG;
    const right = found !== undefined && found.length === wanted.length && timingSafeEqual(found, wanted);
    return right ? virtio.VIRTIO_CRYPTO_OK : virtio.VIRTIO_CRYPTO_KEY_REJECTED;
  }

  /** Undefined: OpenSSL says no. */
  #attempt(perform: () => Uint8Array): Uint8Array | undefined {
    try {
      return perform();
    } catch {
      return undefined;
    }
  }
}

/** Fewest bytes of padding that are not 0. */
const leastPadding = 8;

/**
 * The message inside of padding for encryption (RFC 8017, section 7.2.2). All of it is looked at, whatever is found; but whoever
 * asks has the key.
 * @returns undefined when there is none
 */
function withoutPadding(padded: Uint8Array): Uint8Array | undefined {
  let wrong = padded[0] | (padded[1] ^ 2);
  let end = 0;
  for (let i = 2; i < padded.length; i++) if (padded[i] === 0 && end === 0) end = i;
  if (end < 2 + leastPadding) wrong |= 1;
  return wrong === 0 ? padded.subarray(end + 1) : undefined;
}
