import type {
  CryptoCapabilities,
  CryptoEngine,
  CryptoEngineSession,
  CryptoStatus,
} from '../crypto-engine.ts';
import type { CryptoSessionParameters } from '../crypto-parameters.ts';
import * as virtio from '../numbers.ts';
import { openAead } from './node-aead.ts';
import { openAkcipher } from './node-akcipher.ts';
import { openChain, openCipher } from './node-cipher.ts';
import { openDigest } from './node-digest.ts';

const bits = (...numbers: number[]): number => numbers.reduce((all, bit) => all | (1 << bit), 0);

const capabilities: CryptoCapabilities = {
  services: bits(
    virtio.VIRTIO_CRYPTO_SERVICE_CIPHER,
    virtio.VIRTIO_CRYPTO_SERVICE_HASH,
    virtio.VIRTIO_CRYPTO_SERVICE_MAC,
    virtio.VIRTIO_CRYPTO_SERVICE_AEAD,
    virtio.VIRTIO_CRYPTO_SERVICE_AKCIPHER,
  ),
  ciphers: bits(
    virtio.VIRTIO_CRYPTO_CIPHER_AES_ECB,
    virtio.VIRTIO_CRYPTO_CIPHER_AES_CBC,
    virtio.VIRTIO_CRYPTO_CIPHER_AES_CTR,
  ),
  hashes: bits(
    virtio.VIRTIO_CRYPTO_HASH_SHA1,
    virtio.VIRTIO_CRYPTO_HASH_SHA_224,
    virtio.VIRTIO_CRYPTO_HASH_SHA_256,
    virtio.VIRTIO_CRYPTO_HASH_SHA_384,
    virtio.VIRTIO_CRYPTO_HASH_SHA_512,
  ),
  macs: bits(
    virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA1,
    virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA_224,
    virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA_256,
    virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA_384,
    virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA_512,
  ),
  aeads: bits(virtio.VIRTIO_CRYPTO_AEAD_GCM),
  akciphers: bits(virtio.VIRTIO_CRYPTO_AKCIPHER_RSA),
};

/** An engine that carries everything out at once, by node:crypto (OpenSSL), on the thread that asks. */
export const nodeCryptoEngine: CryptoEngine = {
  capabilities,
  openSession(parameters: CryptoSessionParameters): CryptoEngineSession | CryptoStatus {
    switch (parameters.service) {
      case 'cipher':
        return openCipher(parameters.cipher);
      case 'digest':
        return openDigest(parameters.digest);
      case 'chain':
        return openChain(parameters.cipher, parameters.digest, parameters.cipherFirst);
      case 'aead':
        return openAead(parameters.aead);
      case 'akcipher':
        return openAkcipher(parameters.akcipher);
    }
  },
};
