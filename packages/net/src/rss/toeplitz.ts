import { be32 } from '../big-endian.ts';

/** Bytes that are hashed at most: two IPv6 addresses and two ports. */
export const toeplitzInputBytes = 36;
/** Four more: the hash of byte i takes key bits 8i to 8i + 39. */
const keyBytes = toeplitzInputBytes + 4;

/**
 * The Toeplitz hash of receive-side scaling: each bit of the input that is set adds (by XOR) the 32 bits of the key
 * that begin at its place. What a byte adds at each place is looked up.
 */
export class Toeplitz {
  /** What is hashed; the first bytes of it. */
  readonly input = new Uint8Array(toeplitzInputBytes);
  /** By place and value of a byte. */
  readonly #added = new Int32Array(toeplitzInputBytes * 256);

  /** @param key 40 bytes; a shorter one is continued with zeroes */
  constructor(key: Uint8Array) {
    const bytes = new Uint8Array(keyBytes);
    bytes.set(key.subarray(0, keyBytes));
    for (let place = 0; place < toeplitzInputBytes; place++) {
      for (let value = 0; value < 256; value++) {
        this.#added[place * 256 + value] = addedBy(bytes, place, value);
      }
    }
  }

  /** The hash of the first `bytes` of `input`, as a signed 32-bit number. */
  hash(bytes: number): number {
    const { input } = this;
    const added = this.#added;
    let hash = 0;
    for (let i = 0; i < bytes; i++) hash ^= added[(i << 8) | input[i]];
    return hash;
  }
}

function addedBy(key: Uint8Array, place: number, value: number): number {
  const word = be32(key, place);
  const after = key[place + 4];
  let added = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((value & (0x80 >>> bit)) !== 0) added ^= (word << bit) | (after >>> (8 - bit));
  }
  return added;
}
