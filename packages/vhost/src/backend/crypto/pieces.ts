// Data in pieces, as descriptors have it.

/** Bytes of all pieces. */
export function bytesOf(pieces: readonly Uint8Array[]): number {
  let sum = 0;
  for (const { length } of pieces) sum += length;
  return sum;
}

/** Views of `bytes` bytes from byte `at` on; fewer where the pieces end. */
export function partOf(pieces: readonly Uint8Array[], at: number, bytes: number): Uint8Array[] {
  const part: Uint8Array[] = [];
  let skip = at;
  let left = bytes;
  for (const piece of pieces) {
    if (left === 0) break;
    if (skip >= piece.length) {
      skip -= piece.length;
      continue;
    }
    const count = Math.min(piece.length - skip, left);
    part.push(piece.subarray(skip, skip + count));
    skip = 0;
    left -= count;
  }
  return part;
}

/** Writes data to the pieces, from byte `at` on. */
export function writePieces(pieces: readonly Uint8Array[], at: number, data: Uint8Array): void {
  let done = 0;
  for (const piece of partOf(pieces, at, data.length)) {
    piece.set(data.subarray(done, done + piece.length));
    done += piece.length;
  }
}

/** A copy of all of it, in one piece. */
export function gather(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(bytesOf(pieces));
  let done = 0;
  for (const piece of pieces) {
    whole.set(piece, done);
    done += piece.length;
  }
  return whole;
}

/** Most pieces that are compared with each other. */
const mostPieces = 64;

/**
 * Whether results may be written to `destination` while `source` is still being read, from the first byte on: no byte of the
 * source is overwritten before it was read. So it is where the two have no byte in common, or are the same from the first on.
 */
export function mayShare(source: readonly Uint8Array[], destination: readonly Uint8Array[]): boolean {
  if (source.length > mostPieces || destination.length > mostPieces) return false;
  let from = 0;
  for (const a of source) {
    let to = 0;
    for (const b of destination) {
      const overlaps =
        a.buffer === b.buffer &&
        a.byteOffset < b.byteOffset + b.length &&
        b.byteOffset < a.byteOffset + a.length;
      if (overlaps && a.byteOffset - from !== b.byteOffset - to) return false;
      to += b.length;
    }
    from += a.length;
  }
  return true;
}
