/** A cipher, by its number (`VIRTIO_CRYPTO_CIPHER_*`). */
export interface CipherParameters {
  /** Its number. */
  readonly algorithm: number;
  /** The secret key. */
  readonly key: Uint8Array;
  /** Else it decrypts. */
  readonly encrypts: boolean;
}

/** A hash or a MAC, by its number (`VIRTIO_CRYPTO_HASH_*`, `VIRTIO_CRYPTO_MAC_*`). */
export interface DigestParameters {
  /** Its number. */
  readonly algorithm: number;
  /** Of a MAC; undefined: it is a plain hash. */
  readonly key: Uint8Array | undefined;
  /** Bytes of the result, from its first on. */
  readonly resultBytes: number;
}

/** AEAD, by its number (`VIRTIO_CRYPTO_AEAD_*`). */
export interface AeadParameters extends CipherParameters {
  /** Bytes of the tag. */
  readonly tagBytes: number;
}

/** An asymmetric algorithm, by its number (`VIRTIO_CRYPTO_AKCIPHER_*`). */
export interface AkcipherParameters {
  /** Its number. */
  readonly algorithm: number;
  /** RSA: RSAPrivateKey or RSAPublicKey of PKCS #1; ECDSA: ECPrivateKey of RFC 5915, or a public key or a point of RFC 5480. In DER. */
  readonly key: Uint8Array;
  /** The key is private. */
  readonly isPrivate: boolean;
  /** Of RSA: `VIRTIO_CRYPTO_RSA_*_PADDING`. */
  readonly padding: number;
  /** Of RSA: what is signed, `VIRTIO_CRYPTO_RSA_NO_HASH` and the like. */
  readonly hash: number;
  /** Of ECDSA: `VIRTIO_CRYPTO_CURVE_*`. */
  readonly curve: number;
}

/** What a session is to do. A chain is a cipher and a digest over the same data, in that order or the other. */
export type CryptoSessionParameters =
  | {
      readonly service: 'cipher';
      /** The cipher. */
      readonly cipher: CipherParameters;
    }
  | {
      readonly service: 'digest';
      /** The hash or MAC. */
      readonly digest: DigestParameters;
    }
  | {
      readonly service: 'chain';
      /** The cipher. */
      readonly cipher: CipherParameters;
      /** The hash or MAC. */
      readonly digest: DigestParameters;
      /** The digest is that of what the cipher makes; else of the source. */
      readonly cipherFirst: boolean;
    }
  | {
      readonly service: 'aead';
      /** The algorithm. */
      readonly aead: AeadParameters;
    }
  | {
      readonly service: 'akcipher';
      /** The algorithm. */
      readonly akcipher: AkcipherParameters;
    };
