import { type CryptoSessionRequest, type SymmetricSession, isAsymmetric } from '../../wire/index.ts';
import type { CryptoStatus } from './crypto-engine.ts';
import type { CipherParameters, CryptoSessionParameters, DigestParameters } from './crypto-parameters.ts';
import * as virtio from './numbers.ts';

/** Bytes of the longest result of a hash. */
const mostDigestBytes = 64;

/** What a session is to do, as its request says. @returns it, or what is wrong with it: BADMSG or NOTSUPP */
export function sessionParameters({
  opcode,
  session,
}: CryptoSessionRequest): CryptoSessionParameters | CryptoStatus {
  if (isAsymmetric(session)) {
    const { algorithm, key, keyType, padding, hashAlgorithm } = session;
    const isPrivate = keyType === virtio.VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PRIVATE;
    if (!isPrivate && keyType !== virtio.VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PUBLIC)
      return virtio.VIRTIO_CRYPTO_BADMSG;
    if (key.length === 0) return virtio.VIRTIO_CRYPTO_BADMSG;
    // RSA's padding is where ECDSA has its curve.
    const akcipher = { algorithm, key, isPrivate, padding, hash: hashAlgorithm, curve: padding };
    return { service: 'akcipher', akcipher };
  }
  switch (opcode) {
    case virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION:
      return cipherOrChain(session);
    case virtio.VIRTIO_CRYPTO_HASH_CREATE_SESSION:
      return digestSession(digestOf(session, false));
    case virtio.VIRTIO_CRYPTO_MAC_CREATE_SESSION:
      return digestSession(digestOf(session, true));
    case virtio.VIRTIO_CRYPTO_AEAD_CREATE_SESSION: {
      const cipher = cipherOf(session);
      const tagBytes = session.hashResultBytes;
      if (cipher === undefined || tagBytes < 1 || tagBytes > mostDigestBytes)
        return virtio.VIRTIO_CRYPTO_BADMSG;
      return { service: 'aead', aead: { ...cipher, tagBytes } };
    }
    default:
      return virtio.VIRTIO_CRYPTO_NOTSUPP;
  }
}

function cipherOrChain(session: SymmetricSession): CryptoSessionParameters | CryptoStatus {
  const cipher = cipherOf(session);
  switch (session.opType) {
    case virtio.VIRTIO_CRYPTO_SYM_OP_CIPHER:
      return cipher === undefined ? virtio.VIRTIO_CRYPTO_BADMSG : { service: 'cipher', cipher };
    case virtio.VIRTIO_CRYPTO_SYM_OP_ALGORITHM_CHAINING: {
      const { hashMode, chainOrder } = session;
      const isMac = hashMode === virtio.VIRTIO_CRYPTO_SYM_HASH_MODE_AUTH;
      if (!isMac && hashMode !== virtio.VIRTIO_CRYPTO_SYM_HASH_MODE_PLAIN)
        return virtio.VIRTIO_CRYPTO_NOTSUPP;
      const digest = digestOf(session, isMac);
      const cipherFirst = chainOrder === virtio.VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_CIPHER_THEN_HASH;
      if (!cipherFirst && chainOrder !== virtio.VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_HASH_THEN_CIPHER)
        return virtio.VIRTIO_CRYPTO_BADMSG;
      if (cipher === undefined || digest === undefined) return virtio.VIRTIO_CRYPTO_BADMSG;
      return { service: 'chain', cipher, digest, cipherFirst };
    }
    default:
      return virtio.VIRTIO_CRYPTO_NOTSUPP;
  }
}

/** Undefined: it goes in neither direction. */
function cipherOf({ algorithm, key, direction }: SymmetricSession): CipherParameters | undefined {
  const encrypts = direction === virtio.VIRTIO_CRYPTO_OP_ENCRYPT;
  if (!encrypts && direction !== virtio.VIRTIO_CRYPTO_OP_DECRYPT) return undefined;
  return { algorithm, key, encrypts };
}

/** Undefined: there is no such number of bytes. */
function digestOf(session: SymmetricSession, isMac: boolean): DigestParameters | undefined {
  const { hashAlgorithm, authKey, hashResultBytes } = session;
  if (hashResultBytes < 1 || hashResultBytes > mostDigestBytes) return undefined;
  return { algorithm: hashAlgorithm, key: isMac ? authKey : undefined, resultBytes: hashResultBytes };
}

function digestSession(digest: DigestParameters | undefined): CryptoSessionParameters | CryptoStatus {
  return digest === undefined ? virtio.VIRTIO_CRYPTO_BADMSG : { service: 'digest', digest };
}
