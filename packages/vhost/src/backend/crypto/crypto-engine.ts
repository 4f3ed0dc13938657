import type { CryptoSessionParameters } from './crypto-parameters.ts';

/** What becomes of a request: `VIRTIO_CRYPTO_OK`, or one of the other statuses of virtio-crypto. */
export type CryptoStatus = 0 | 1 | 2 | 3 | 4 | 5 | 6;

/** Bytes of an operation's source. */
export interface CryptoRange {
  /** The first of them. */
  readonly from: number;
  /** How many bytes. */
  readonly bytes: number;
}

/** One request of a driver: what it asks for, and what becomes of it. */
export interface CryptoOperation {
  /** Whose it is. */
  readonly session: CryptoEngineSession;
  /** What is to be done: `VIRTIO_CRYPTO_CIPHER_ENCRYPT` and the like; it fits the session. */
  readonly opcode: number;
  /** Initialisation vector; of ECB, hashes and asymmetric algorithms empty. */
  readonly iv: Uint8Array;
  /** Additional authenticated data, of AEAD. */
  readonly aad: Uint8Array;
  /**
   * What is to be worked on, in pieces. With zero copy it is the driver's memory, which the driver may change at any time, and may be
   * the destination as well: byte n of the one is byte n of the other then, or they have none in common. Of AEAD that decrypts,
   * the tag is its end.
   */
  readonly source: readonly Uint8Array[];
  /**
   * Where the result goes, in pieces: as many bytes as it has, or, of asymmetric algorithms, as there is room for. Of a chain all
   * of the source goes there, as the cipher leaves it. Of AEAD that encrypts, the tag is its end.
   */
  readonly destination: readonly Uint8Array[];
  /** Where a hash or MAC goes: as many bytes as its session says. */
  readonly digest: Uint8Array;
  /** Of a verification: what was signed. */
  readonly signed: Uint8Array;
  /** Of a chain: what the cipher works on. Of a cipher: all of it. */
  readonly cipherRange: CryptoRange;
  /** Of a chain: what the digest is of. Of a hash or MAC: all of it. */
  readonly digestRange: CryptoRange;
  /** What the driver is told: whoever carries the operation out sets it. At first it has failed. */
  status: CryptoStatus;
  /** Bytes of the destination that were filled. At first all there are; less only of asymmetric algorithms. */
  produced: number;
}

/** One session of a driver, as its engine has it. */
export interface CryptoEngineSession {
  /**
   * Carries out an operation, at once or later: reads its source, fills its destination and digest. What it throws fails the
   * operation, and is an `uncaughtException` besides.
   */
  perform(operation: CryptoOperation): CryptoStatus | Promise<CryptoStatus>;
  /** The driver has closed it, or is gone. Operations may still be under way. What it throws is an `uncaughtException`. */
  close(): void;
}

/** What an engine can do, bit by bit, as the configuration space says it (virtio 1.4, section 5.9.4). */
export interface CryptoCapabilities {
  /** Services: bit n is `VIRTIO_CRYPTO_SERVICE_*` n. */
  readonly services: number;
  /** Ciphers. */
  readonly ciphers: number;
  /** Hashes. */
  readonly hashes: number;
  /** MACs. */
  readonly macs: number;
  /** AEAD algorithms. */
  readonly aeads: number;
  /** Asymmetric algorithms. */
  readonly akciphers: number;
}

/** Who carries out what drivers of virtio-crypto devices ask for: DPDK's cryptodev. `nodeCryptoEngine` is one. */
export interface CryptoEngine {
  /** What it can do. */
  readonly capabilities: CryptoCapabilities;
  /**
   * Opens a session. What it throws is answered with ERR, and is an `uncaughtException` besides.
   * @returns it, or why there is none: NOTSUPP for what the engine cannot do, KEY_REJECTED for a wrong key
   */
  openSession(parameters: CryptoSessionParameters): CryptoEngineSession | CryptoStatus;
}
