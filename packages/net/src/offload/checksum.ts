/**
 * The Internet checksum (RFC 1071) of bytes that may lie in several pieces: the ones' complement sum so far, and
 * whether an odd byte is pending.
 */
export class InternetChecksum {
  #sum = 0;
  #odd = false;

  /** Begins anew. */
  reset(): void {
    this.#sum = 0;
    this.#odd = false;
  }

  /** Adds a 16-bit number that is in front of the bytes, as those of a pseudo-header are. */
  addWord(word: number): void {
    this.#sum += word;
  }

  /** Adds the bytes from `from` up to `end`; only the last part may be of odd length. */
  add(u8: Uint8Array, from: number, end: number): void {
    let sum = this.#sum;
    let at = from;
    if (this.#odd && at < end) {
      sum += u8[at++];
      this.#odd = false;
    }
    for (; at + 1 < end; at += 2) {
      sum += (u8[at] << 8) | u8[at + 1];
      if (sum > 0x3fff_ffff) sum = (sum & 0xffff) + (sum >>> 16);
    }
    if (at < end) {
      sum += u8[at] << 8;
      this.#odd = true;
    }
    this.#sum = sum;
  }

  /** The sum, folded to 16 bits. */
  get sum(): number {
    let sum = this.#sum;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return sum;
  }

  /** What goes into a packet: the complement of the sum. */
  get value(): number {
    return ~this.sum & 0xffff;
  }
}

/**
 * Completes the checksum of a frame that was left to whoever gets it (NEEDS_CSUM): from `start` to the end, stored at
 * `start + offset`, where the pseudo-header's sum is already (virtio 1.4, 5.1.9.2).
 */
export function completeChecksum(frame: Uint8Array, start: number, offset: number): void {
  const at = start + offset;
  if (at + 2 > frame.length) return;
  const checksum = new InternetChecksum();
  checksum.add(frame, start, frame.length);
  // 0 means "no checksum" to UDP; the other zero means the same number.
  const value = checksum.value === 0 ? 0xffff : checksum.value;
  frame[at] = value >>> 8;
  frame[at + 1] = value & 0xff;
}
