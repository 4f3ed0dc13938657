import type { BufferPool } from '@vio/rings';

/** What testpmd's txonly writes into every frame: Ethernet, IPv4 and UDP headers, 42 bytes, in whole words. */
const headerWords = headerTemplate();

function headerTemplate(): Int32Array {
  const bytes = new Uint8Array(44);
  const view = new DataView(bytes.buffer);
  bytes.set([0x02, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45]);
  view.setUint16(16, 46);
  bytes[22] = 64; // time to live
  bytes[23] = 17; // UDP
  bytes.set([198, 18, 0, 1, 198, 18, 0, 2], 26);
  view.setUint16(34, 9);
  view.setUint16(36, 9);
  view.setUint16(38, 26);
  return new Int32Array(bytes.buffer);
}

/** Writes the headers into a buffer of the pool. */
export function writeHeaders(pool: BufferPool, offset: number): void {
  const words = pool.region.i32;
  const at = offset >>> 2;
  words[at] = headerWords[0];
  words[at + 1] = headerWords[1];
  words[at + 2] = headerWords[2];
  words[at + 3] = headerWords[3];
  words[at + 4] = headerWords[4];
  words[at + 5] = headerWords[5];
  words[at + 6] = headerWords[6];
  words[at + 7] = headerWords[7];
  words[at + 8] = headerWords[8];
  words[at + 9] = headerWords[9];
  words[at + 10] = headerWords[10];
}
