import { type KeyObject, createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import type { CryptoEngineSession, CryptoOperation, CryptoRange, CryptoStatus } from '../crypto-engine.ts';
import type { CipherParameters, DigestParameters } from '../crypto-parameters.ts';
import {
  VIRTIO_CRYPTO_BADMSG,
  VIRTIO_CRYPTO_CIPHER_AES_CBC,
  VIRTIO_CRYPTO_CIPHER_AES_CTR,
  VIRTIO_CRYPTO_CIPHER_AES_ECB,
  VIRTIO_CRYPTO_KEY_REJECTED,
  VIRTIO_CRYPTO_NOTSUPP,
  VIRTIO_CRYPTO_OK,
} from '../numbers.ts';
import { bytesOf, partOf, writePieces } from '../pieces.ts';
import { type DigestMaker, digestMaker, finishDigest } from './node-digest.ts';

const blockBytes = 16;

const modes: Readonly<
  Record<number, { readonly name: string; readonly ivBytes: number; readonly whole: boolean }>
> = {
  [VIRTIO_CRYPTO_CIPHER_AES_ECB]: { name: 'ecb', ivBytes: 0, whole: true },
  [VIRTIO_CRYPTO_CIPHER_AES_CBC]: { name: 'cbc', ivBytes: blockBytes, whole: true },
  [VIRTIO_CRYPTO_CIPHER_AES_CTR]: { name: 'ctr', ivBytes: blockBytes, whole: false },
};

/** The secret of a key that AES takes; undefined: it is as long as none. */
export function aesKey(key: Uint8Array): KeyObject | undefined {
  return [16, 24, 32].includes(key.length) ? createSecretKey(key) : undefined;
}

/** AES in one of its modes, with a key. */
class Aes {
  readonly #name: string;
  readonly #key: KeyObject;
  readonly #ivBytes: number;
  /** It works on whole blocks only. */
  readonly #whole: boolean;
  readonly #encrypts: boolean;

  private constructor(parameters: CipherParameters, key: KeyObject, mode: (typeof modes)[number]) {
    this.#name = `aes-${8 * parameters.key.length}-${mode.name}`;
    this.#key = key;
    this.#ivBytes = mode.ivBytes;
    this.#whole = mode.whole;
    this.#encrypts = parameters.encrypts;
  }

  static of(parameters: CipherParameters): Aes | CryptoStatus {
    const mode = modes[parameters.algorithm];
    if (mode === undefined) return VIRTIO_CRYPTO_NOTSUPP;
    const key = aesKey(parameters.key);
    return key === undefined ? VIRTIO_CRYPTO_KEY_REJECTED : new Aes(parameters, key, mode);
  }

  /** True when it can be done. A mode without IV does not look at one. */
  takes(iv: Uint8Array, bytes: number): boolean {
    return (
      iv.length >= this.#ivBytes &&
      (this.#ivBytes === 0 || iv.length === this.#ivBytes) &&
      (!this.#whole || bytes % blockBytes === 0)
    );
  }

  /**
   * Works on a range of the source, piece by piece, and writes what comes of it to the same range of the destination: never before
   * that byte of the source was read.
   * @param seen is shown what comes of it, in its order
   */
  run(
    { iv, source, destination }: CryptoOperation,
    { from, bytes }: CryptoRange,
    seen?: (out: Uint8Array) => void,
  ): void {
    const make = this.#encrypts ? createCipheriv : createDecipheriv;
    const cipher = make(this.#name, this.#key, iv.subarray(0, this.#ivBytes));
    cipher.setAutoPadding(false);
    let at = from;
    const take = (out: Uint8Array): void => {
      writePieces(destination, at, out);
      seen?.(out);
      at += out.length;
    };
    for (const piece of partOf(source, from, bytes)) take(cipher.update(piece));
    take(cipher.final());
  }
}

export function openCipher(parameters: CipherParameters): CryptoEngineSession | CryptoStatus {
  const aes = Aes.of(parameters);
  if (typeof aes === 'number') return aes;
  return {
    perform(operation) {
      const range = operation.cipherRange;
      if (!aes.takes(operation.iv, range.bytes)) return VIRTIO_CRYPTO_BADMSG;
      aes.run(operation, range);
      return VIRTIO_CRYPTO_OK;
    },
    close() {},
  };
}

/** A cipher and a digest over the same data. What neither of them changes goes to the destination as it is. */
export function openChain(
  cipher: CipherParameters,
  digest: DigestParameters,
  cipherFirst: boolean,
): CryptoEngineSession | CryptoStatus {
  const aes = Aes.of(cipher);
  if (typeof aes === 'number') return aes;
  const make = digestMaker(digest);
  if (typeof make === 'number') return make;
  return {
    perform(operation) {
      const { cipherRange, iv } = operation;
      if (!aes.takes(iv, cipherRange.bytes)) return VIRTIO_CRYPTO_BADMSG;
      if (!cipherFirst) hashSource(operation, make);
      copyRest(operation);
      if (cipherFirst) hashResult(operation, aes, make);
      else aes.run(operation, cipherRange);
      return VIRTIO_CRYPTO_OK;
    },
    close() {},
  };
}

function hashSource(operation: CryptoOperation, make: DigestMaker): void {
  const { from, bytes } = operation.digestRange;
  const digest = make();
  for (const piece of partOf(operation.source, from, bytes)) digest.update(piece);
  finishDigest(digest, operation);
}

/** The digest is of the source with what the cipher makes in the place of what it has read. */
function hashResult(operation: CryptoOperation, aes: Aes, make: DigestMaker): void {
  const { source, cipherRange, digestRange } = operation;
  const cipherEnd = cipherRange.from + cipherRange.bytes;
  const digestEnd = digestRange.from + digestRange.bytes;
  const digest = make();
  const plain = (from: number, end: number): void => {
    const first = Math.max(from, digestRange.from);
    for (const piece of partOf(source, first, Math.max(0, Math.min(end, digestEnd) - first)))
      digest.update(piece);
  };
  plain(0, cipherRange.from);
  let at = cipherRange.from;
  aes.run(operation, cipherRange, (out) => {
    const first = Math.max(0, digestRange.from - at);
    const end = Math.min(out.length, digestEnd - at);
    if (first < end) digest.update(out.subarray(first, end));
    at += out.length;
  });
  plain(cipherEnd, digestEnd);
  finishDigest(digest, operation);
}

/** Copies the source that is in front of what the cipher works on, and behind it. */
function copyRest({ source, destination, cipherRange }: CryptoOperation): void {
  const copy = (from: number, bytes: number): void => {
    let at = from;
    for (const piece of partOf(source, from, bytes)) {
      writePieces(destination, at, piece);
      at += piece.length;
    }
  };
  const end = cipherRange.from + cipherRange.bytes;
  copy(0, cipherRange.from);
  copy(end, bytesOf(source) - end);
}
