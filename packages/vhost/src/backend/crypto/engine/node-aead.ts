import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { CryptoEngineSession, CryptoOperation, CryptoStatus } from '../crypto-engine.ts';
import type { AeadParameters } from '../crypto-parameters.ts';
import {
  VIRTIO_CRYPTO_AEAD_GCM,
  VIRTIO_CRYPTO_BADMSG,
  VIRTIO_CRYPTO_KEY_REJECTED,
  VIRTIO_CRYPTO_NOTSUPP,
  VIRTIO_CRYPTO_OK,
} from '../numbers.ts';
import { gather, partOf, writePieces } from '../pieces.ts';
import { aesKey } from './node-cipher.ts';

type GcmName = 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm';

/** Bytes that a tag of GCM may have (NIST SP 800-38D, section 5.2.1.2). */
const tagSizes = [4, 8, 12, 13, 14, 15, 16];
const names: Readonly<Record<number, GcmName>> = { 16: 'aes-128-gcm', 24: 'aes-192-gcm', 32: 'aes-256-gcm' };

export function openAead(parameters: AeadParameters): CryptoEngineSession | CryptoStatus {
  const { algorithm, key: bytes, tagBytes, encrypts } = parameters;
  if (algorithm !== VIRTIO_CRYPTO_AEAD_GCM) return VIRTIO_CRYPTO_NOTSUPP;
  if (!tagSizes.includes(tagBytes)) return VIRTIO_CRYPTO_BADMSG;
  const key = aesKey(bytes);
  if (key === undefined) return VIRTIO_CRYPTO_KEY_REJECTED;
  const name = names[bytes.length];
  const options = { authTagLength: tagBytes };
  const encrypt = ({ iv, aad, source, destination }: CryptoOperation): CryptoStatus => {
    const cipher = createCipheriv(name, key, iv, options);
    cipher.setAAD(aad);
    let at = 0;
    for (const piece of source) {
      const out = cipher.update(piece);
      writePieces(destination, at, out);
      at += out.length;
    }
    cipher.final();
    writePieces(destination, at, cipher.getAuthTag());
    return VIRTIO_CRYPTO_OK;
  };
  const decrypt = ({ iv, aad, source, destination, cipherRange }: CryptoOperation): CryptoStatus => {
    // With zero copy the driver may change it meanwhile: what is verified is what is decrypted.
    const decipher = createDecipheriv(name, key, iv, options);
    decipher.setAAD(aad);
    decipher.setAuthTag(gather(partOf(source, cipherRange.bytes, tagBytes)));
    // Nobody sees what its tag does not fit.
    const out = partOf(source, 0, cipherRange.bytes).map((piece) => decipher.update(piece));
    try {
      decipher.final();
    } catch {
      return VIRTIO_CRYPTO_BADMSG;
    }
    writePieces(destination, 0, gather(out));
    return VIRTIO_CRYPTO_OK;
  };
  return {
    perform: (operation) => {
      if (operation.iv.length === 0) return VIRTIO_CRYPTO_BADMSG;
      return encrypts ? encrypt(operation) : decrypt(operation);
    },
    close() {},
  };
}
