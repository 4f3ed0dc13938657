import { type Hash, type Hmac, createHash, createHmac, createSecretKey } from 'node:crypto';
import type { CryptoEngineSession, CryptoOperation, CryptoStatus } from '../crypto-engine.ts';
import type { DigestParameters } from '../crypto-parameters.ts';
import {
  VIRTIO_CRYPTO_BADMSG,
  VIRTIO_CRYPTO_HASH_SHA1,
  VIRTIO_CRYPTO_HASH_SHA_224,
  VIRTIO_CRYPTO_HASH_SHA_256,
  VIRTIO_CRYPTO_HASH_SHA_384,
  VIRTIO_CRYPTO_HASH_SHA_512,
  VIRTIO_CRYPTO_NOTSUPP,
  VIRTIO_CRYPTO_OK,
} from '../numbers.ts';
import { partOf } from '../pieces.ts';

/** Name and bytes of a hash, by number; HMACs have the numbers of their hashes. */
const hashes: Readonly<Record<number, { readonly name: string; readonly bytes: number }>> = {
  [VIRTIO_CRYPTO_HASH_SHA1]: { name: 'sha1', bytes: 20 },
  [VIRTIO_CRYPTO_HASH_SHA_224]: { name: 'sha224', bytes: 28 },
  [VIRTIO_CRYPTO_HASH_SHA_256]: { name: 'sha256', bytes: 32 },
  [VIRTIO_CRYPTO_HASH_SHA_384]: { name: 'sha384', bytes: 48 },
  [VIRTIO_CRYPTO_HASH_SHA_512]: { name: 'sha512', bytes: 64 },
};

/** Begins a hash or MAC. */
export type DigestMaker = () => Hash | Hmac;

/** @returns how a digest is begun, or why there is none */
export function digestMaker({ algorithm, key, resultBytes }: DigestParameters): DigestMaker | CryptoStatus {
  const hash = hashes[algorithm];
  if (hash === undefined) return VIRTIO_CRYPTO_NOTSUPP;
  if (resultBytes > hash.bytes) return VIRTIO_CRYPTO_BADMSG;
  if (key === undefined) return () => createHash(hash.name);
  const secret = createSecretKey(key);
  return () => createHmac(hash.name, secret);
}

/** Writes the first bytes of a digest to where its operation wants them. */
export function finishDigest(digest: Hash | Hmac, { digest: result }: CryptoOperation): void {
  result.set(digest.digest().subarray(0, result.length));
}

export function openDigest(parameters: DigestParameters): CryptoEngineSession | CryptoStatus {
  const make = digestMaker(parameters);
  if (typeof make === 'number') return make;
  return {
    perform(operation) {
      const digest = make();
      const { from, bytes } = operation.digestRange;
      for (const piece of partOf(operation.source, from, bytes)) digest.update(piece);
      finishDigest(digest, operation);
      return VIRTIO_CRYPTO_OK;
    },
    close() {},
  };
}
