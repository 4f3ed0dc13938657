import type { CryptoRange, CryptoStatus } from './crypto-engine.ts';
import type { CryptoSessionParameters } from './crypto-parameters.ts';
import * as virtio from './numbers.ts';

/** Bytes that every request begins with: a header, and lengths (virtio 1.4, section 5.9.7.2, without REVISION_1). */
export const requestBytes = 72;
/** Bytes behind what a request has written: its status. */
export const statusBytes = 1;
/** Bytes of the longest IV. */
const mostIvBytes = 64;

const opTypeAt = 64;
const lengthsAt = 24;

/** The lengths of a request, all of which fit what it brings; positions count from behind the first 72 bytes. */
export interface RequestPlan {
  readonly ivBytes: number;
  readonly sourceBytes: number;
  /** Behind the source: additional authenticated data, or what was signed. */
  readonly moreBytes: number;
  /** Room for the result, as the request says. */
  readonly destinationBytes: number;
  /** Bytes of the result, from the first of that room on. */
  readonly outputBytes: number;
  /** Behind that room. */
  readonly digestBytes: number;
  readonly cipherRange: CryptoRange;
  readonly digestRange: CryptoRange;
}

const nothing: CryptoRange = { from: 0, bytes: 0 };

/** The number of the session that a request is for; 0, which no session has: none. */
export function sessionOf(request: DataView): number {
  return request.getUint32(12, true) === 0 ? request.getUint32(8, true) : 0;
}

export function opcodeOf(request: DataView): number {
  return request.getUint32(0, true);
}

/** What a request is to be done by its lengths. @returns it, or what is wrong with it */
export function planRequest(
  request: DataView,
  session: CryptoSessionParameters,
  mostBytes: number,
): RequestPlan | CryptoStatus {
  const plan = planOf(request, session);
  if (typeof plan === 'number') return plan;
  const { ivBytes, sourceBytes, moreBytes, destinationBytes, cipherRange, digestRange } = plan;
  if (ivBytes > mostIvBytes || Math.max(sourceBytes, moreBytes, destinationBytes) > mostBytes)
    return virtio.VIRTIO_CRYPTO_BADMSG;
  const within = ({ from, bytes }: CryptoRange): boolean => from + bytes <= sourceBytes;
  if (!within(cipherRange) || !within(digestRange) || plan.outputBytes > destinationBytes)
    return virtio.VIRTIO_CRYPTO_BADMSG;
  return plan;
}

function planOf(request: DataView, session: CryptoSessionParameters): RequestPlan | CryptoStatus {
  const opcode = opcodeOf(request);
  const word = (i: number): number => request.getUint32(lengthsAt + 4 * i, true);
  switch (opcode) {
    case virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT:
    case virtio.VIRTIO_CRYPTO_CIPHER_DECRYPT:
      return symmetric(request, session, opcode === virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, word);
    case virtio.VIRTIO_CRYPTO_HASH:
    case virtio.VIRTIO_CRYPTO_MAC: {
      if (session.service !== 'digest') return virtio.VIRTIO_CRYPTO_INVSESS;
      const isMac = opcode === virtio.VIRTIO_CRYPTO_MAC;
      if (isMac !== (session.digest.key !== undefined)) return virtio.VIRTIO_CRYPTO_INVSESS;
      const [sourceBytes, digestBytes] = [word(0), word(1)];
      if (digestBytes !== session.digest.resultBytes) return virtio.VIRTIO_CRYPTO_BADMSG;
      return {
        ...empty,
        sourceBytes,
        digestBytes,
        digestRange: { from: 0, bytes: sourceBytes },
      };
    }
    case virtio.VIRTIO_CRYPTO_AEAD_ENCRYPT:
    case virtio.VIRTIO_CRYPTO_AEAD_DECRYPT: {
      if (session.service !== 'aead') return virtio.VIRTIO_CRYPTO_INVSESS;
      const { encrypts, tagBytes } = session.aead;
      if (encrypts !== (opcode === virtio.VIRTIO_CRYPTO_AEAD_ENCRYPT)) return virtio.VIRTIO_CRYPTO_BADMSG;
      const sourceBytes = word(2);
      const outputBytes = encrypts ? sourceBytes + tagBytes : sourceBytes - tagBytes;
      if (outputBytes < 0) return virtio.VIRTIO_CRYPTO_BADMSG;
      return {
        ...empty,
        ivBytes: word(0),
        moreBytes: word(1),
        sourceBytes,
        destinationBytes: word(3),
        outputBytes,
        cipherRange: { from: 0, bytes: encrypts ? sourceBytes : outputBytes },
      };
    }
    case virtio.VIRTIO_CRYPTO_AKCIPHER_ENCRYPT:
    case virtio.VIRTIO_CRYPTO_AKCIPHER_DECRYPT:
    case virtio.VIRTIO_CRYPTO_AKCIPHER_SIGN: {
      if (session.service !== 'akcipher') return virtio.VIRTIO_CRYPTO_INVSESS;
      const [sourceBytes, destinationBytes] = [word(0), word(1)];
      return { ...empty, sourceBytes, destinationBytes, outputBytes: destinationBytes };
    }
    case virtio.VIRTIO_CRYPTO_AKCIPHER_VERIFY:
      // What was signed is no result: the driver brings it, behind the signature.
      if (session.service !== 'akcipher') return virtio.VIRTIO_CRYPTO_INVSESS;
      return { ...empty, sourceBytes: word(0), moreBytes: word(1) };
    default:
      return virtio.VIRTIO_CRYPTO_NOTSUPP;
  }
}

const empty: RequestPlan = {
  ivBytes: 0,
  sourceBytes: 0,
  moreBytes: 0,
  destinationBytes: 0,
  outputBytes: 0,
  digestBytes: 0,
  cipherRange: nothing,
  digestRange: nothing,
};

function symmetric(
  request: DataView,
  session: CryptoSessionParameters,
  encrypts: boolean,
  word: (i: number) => number,
): RequestPlan | CryptoStatus {
  const [ivBytes, sourceBytes, destinationBytes] = [word(0), word(1), word(2)];
  const lengths = { ...empty, ivBytes, sourceBytes, destinationBytes, outputBytes: sourceBytes };
  switch (request.getUint32(opTypeAt, true)) {
    case virtio.VIRTIO_CRYPTO_SYM_OP_CIPHER:
      if (session.service !== 'cipher') return virtio.VIRTIO_CRYPTO_INVSESS;
      if (session.cipher.encrypts !== encrypts) return virtio.VIRTIO_CRYPTO_BADMSG;
      return { ...lengths, cipherRange: { from: 0, bytes: sourceBytes } };
    case virtio.VIRTIO_CRYPTO_SYM_OP_ALGORITHM_CHAINING: {
      if (session.service !== 'chain') return virtio.VIRTIO_CRYPTO_INVSESS;
      if (session.cipher.encrypts !== encrypts) return virtio.VIRTIO_CRYPTO_BADMSG;
      const [aadBytes, digestBytes] = [word(7), word(8)];
      // No algorithm that is chained here has additional data.
      if (aadBytes !== 0) return virtio.VIRTIO_CRYPTO_NOTSUPP;
      if (digestBytes !== session.digest.resultBytes) return virtio.VIRTIO_CRYPTO_BADMSG;
      return {
        ...lengths,
        digestBytes,
        cipherRange: { from: word(3), bytes: word(4) },
        digestRange: { from: word(5), bytes: word(6) },
      };
    }
    default:
      return virtio.VIRTIO_CRYPTO_NOTSUPP;
  }
}
