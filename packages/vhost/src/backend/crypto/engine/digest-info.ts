import {
  VIRTIO_CRYPTO_RSA_NO_HASH,
  VIRTIO_CRYPTO_RSA_SHA1,
  VIRTIO_CRYPTO_RSA_SHA224,
  VIRTIO_CRYPTO_RSA_SHA256,
  VIRTIO_CRYPTO_RSA_SHA384,
  VIRTIO_CRYPTO_RSA_SHA512,
} from '../numbers.ts';

/** Object identifiers of hashes, in DER, and bytes of the hash, by number. */
const hashes: Readonly<Record<number, readonly [identifier: string, bytes: number]>> = {
  [VIRTIO_CRYPTO_RSA_SHA1]: ['2b0e03021a', 20],
  [VIRTIO_CRYPTO_RSA_SHA224]: ['608648016503040204', 28],
  [VIRTIO_CRYPTO_RSA_SHA256]: ['608648016503040201', 32],
  [VIRTIO_CRYPTO_RSA_SHA384]: ['608648016503040202', 48],
  [VIRTIO_CRYPTO_RSA_SHA512]: ['608648016503040203', 64],
};

/** True when a signature can be of such a hash, or of something that is none. */
export function knowsHash(hash: number): boolean {
  return hash === VIRTIO_CRYPTO_RSA_NO_HASH || hashes[hash] !== undefined;
}

/**
 * What is signed in the place of a hash: DigestInfo, which says how it was made (RFC 8017, section 9.2).
 * @returns undefined when the hash has not as many bytes as it should; what is no hash is signed as it is
 */
export function digestInfo(hash: number, digest: Uint8Array): Uint8Array | undefined {
  if (hash === VIRTIO_CRYPTO_RSA_NO_HASH) return digest;
  const [identifier, bytes] = hashes[hash];
  if (digest.length !== bytes) return undefined;
  const oid = tagged(0x06, Buffer.from(identifier, 'hex'));
  const algorithm = tagged(0x30, Buffer.concat([oid, tagged(0x05, Buffer.alloc(0))]));
  return tagged(0x30, Buffer.concat([algorithm, tagged(0x04, digest)]));
}

/** A value in DER; of less than 128 bytes. */
function tagged(tag: number, value: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(tag, value.length), value]);
}
