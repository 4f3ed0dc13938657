// The numbers of virtio-crypto (virtio 1.4, section 5.9), named as there.

/** Number of the device type. */
export const VIRTIO_ID_CRYPTO = 20;

/** Services, by bit of the configuration space. */
export const VIRTIO_CRYPTO_SERVICE_CIPHER = 0;
/** Hashes. */
export const VIRTIO_CRYPTO_SERVICE_HASH = 1;
/** Message authentication codes. */
export const VIRTIO_CRYPTO_SERVICE_MAC = 2;
/** Authenticated encryption. */
export const VIRTIO_CRYPTO_SERVICE_AEAD = 3;
/** Asymmetric ciphers and signatures. */
export const VIRTIO_CRYPTO_SERVICE_AKCIPHER = 4;

/** Opens a session of a cipher, or of a cipher and a hash. */
export const VIRTIO_CRYPTO_CIPHER_CREATE_SESSION = 0x002;
/** Opens a session of a hash. */
export const VIRTIO_CRYPTO_HASH_CREATE_SESSION = 0x102;
/** Opens a session of a MAC. */
export const VIRTIO_CRYPTO_MAC_CREATE_SESSION = 0x202;
/** Opens a session of AEAD. */
export const VIRTIO_CRYPTO_AEAD_CREATE_SESSION = 0x302;
/** Opens an asymmetric session. */
export const VIRTIO_CRYPTO_AKCIPHER_CREATE_SESSION = 0x404;

/** Operations of the data queues: a cipher, or a cipher and a hash, encrypts. */
export const VIRTIO_CRYPTO_CIPHER_ENCRYPT = 0x000;
/** A cipher, or a cipher and a hash, decrypts. */
export const VIRTIO_CRYPTO_CIPHER_DECRYPT = 0x001;
/** Hashes. */
export const VIRTIO_CRYPTO_HASH = 0x100;
/** Makes a MAC. */
export const VIRTIO_CRYPTO_MAC = 0x200;
/** Encrypts, and makes a tag. */
export const VIRTIO_CRYPTO_AEAD_ENCRYPT = 0x300;
/** Decrypts what its tag says is right. */
export const VIRTIO_CRYPTO_AEAD_DECRYPT = 0x301;
/** Encrypts with a public key. */
export const VIRTIO_CRYPTO_AKCIPHER_ENCRYPT = 0x400;
/** Decrypts with a private key. */
export const VIRTIO_CRYPTO_AKCIPHER_DECRYPT = 0x401;
/** Signs with a private key. */
export const VIRTIO_CRYPTO_AKCIPHER_SIGN = 0x402;
/** Verifies with a public key. */
export const VIRTIO_CRYPTO_AKCIPHER_VERIFY = 0x403;

/** What a cipher session is: a cipher alone. */
export const VIRTIO_CRYPTO_SYM_OP_CIPHER = 1;
/** A cipher and a hash. */
export const VIRTIO_CRYPTO_SYM_OP_ALGORITHM_CHAINING = 2;
/** Direction of a session. */
export const VIRTIO_CRYPTO_OP_ENCRYPT = 1;
/** The other direction. */
export const VIRTIO_CRYPTO_OP_DECRYPT = 2;
/** Order of a chain: the hash is of the source. */
export const VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_HASH_THEN_CIPHER = 1;
/** Order of a chain: the hash is of what the cipher makes. */
export const VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_CIPHER_THEN_HASH = 2;
/** Hash of a chain: a plain one. */
export const VIRTIO_CRYPTO_SYM_HASH_MODE_PLAIN = 1;
/** Hash of a chain: a MAC. */
export const VIRTIO_CRYPTO_SYM_HASH_MODE_AUTH = 2;

/** Ciphers. */
export const VIRTIO_CRYPTO_CIPHER_AES_ECB = 2;
/** AES, blocks chained. */
export const VIRTIO_CRYPTO_CIPHER_AES_CBC = 3;
/** AES as a stream. */
export const VIRTIO_CRYPTO_CIPHER_AES_CTR = 4;

/** Hashes; the numbers of the HMACs are the same. */
export const VIRTIO_CRYPTO_HASH_SHA1 = 2;
/** SHA-224. */
export const VIRTIO_CRYPTO_HASH_SHA_224 = 3;
/** SHA-256. */
export const VIRTIO_CRYPTO_HASH_SHA_256 = 4;
/** SHA-384. */
export const VIRTIO_CRYPTO_HASH_SHA_384 = 5;
/** SHA-512. */
export const VIRTIO_CRYPTO_HASH_SHA_512 = 6;
/** HMACs. */
export const VIRTIO_CRYPTO_MAC_HMAC_SHA1 = 2;
/** HMAC of SHA-224. */
export const VIRTIO_CRYPTO_MAC_HMAC_SHA_224 = 3;
/** HMAC of SHA-256. */
export const VIRTIO_CRYPTO_MAC_HMAC_SHA_256 = 4;
/** HMAC of SHA-384. */
export const VIRTIO_CRYPTO_MAC_HMAC_SHA_384 = 5;
/** HMAC of SHA-512. */
export const VIRTIO_CRYPTO_MAC_HMAC_SHA_512 = 6;

/** AES in Galois/counter mode. */
export const VIRTIO_CRYPTO_AEAD_GCM = 1;

/** RSA. */
export const VIRTIO_CRYPTO_AKCIPHER_RSA = 1;
/** ECDSA. */
export const VIRTIO_CRYPTO_AKCIPHER_ECDSA = 3;
/** The key is public. */
export const VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PUBLIC = 1;
/** The key is private. */
export const VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PRIVATE = 2;
/** RSA: numbers as they are. */
export const VIRTIO_CRYPTO_RSA_RAW_PADDING = 0;
/** RSA: padding of PKCS #1, version 1.5. */
export const VIRTIO_CRYPTO_RSA_PKCS1_PADDING = 1;
/** RSA: what is signed is no hash. */
export const VIRTIO_CRYPTO_RSA_NO_HASH = 0;
/** RSA: what is signed is a hash by SHA-1. */
export const VIRTIO_CRYPTO_RSA_SHA1 = 5;
/** RSA: by SHA-256. */
export const VIRTIO_CRYPTO_RSA_SHA256 = 6;
/** RSA: by SHA-384. */
export const VIRTIO_CRYPTO_RSA_SHA384 = 7;
/** RSA: by SHA-512. */
export const VIRTIO_CRYPTO_RSA_SHA512 = 8;
/** RSA: by SHA-224. */
export const VIRTIO_CRYPTO_RSA_SHA224 = 9;
/** ECDSA: curve P-256. */
export const VIRTIO_CRYPTO_CURVE_NIST_P256 = 3;
/** ECDSA: curve P-384. */
export const VIRTIO_CRYPTO_CURVE_NIST_P384 = 4;
/** ECDSA: curve P-521. */
export const VIRTIO_CRYPTO_CURVE_NIST_P521 = 5;

/** What became of a request: it is done. */
export const VIRTIO_CRYPTO_OK = 0 as const;
/** It failed. */
export const VIRTIO_CRYPTO_ERR = 1 as const;
/** It makes no sense, or what is to be decrypted is not what its tag says. */
export const VIRTIO_CRYPTO_BADMSG = 2 as const;
/** The device does not do that. */
export const VIRTIO_CRYPTO_NOTSUPP = 3 as const;
/** There is no such session, or it is one of another kind. */
export const VIRTIO_CRYPTO_INVSESS = 4 as const;
/** There are too many sessions. */
export const VIRTIO_CRYPTO_NOSPC = 5 as const;
/** The signature is wrong, or the key. */
export const VIRTIO_CRYPTO_KEY_REJECTED = 6 as const;

/** State of the device in its configuration space: it is ready. */
export const VIRTIO_CRYPTO_S_HW_READY = 1;
