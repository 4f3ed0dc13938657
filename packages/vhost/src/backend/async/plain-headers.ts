import { Region } from '@vio/rings';
import { singlesPerRun } from '../packets/burst-limits.ts';

/** Bytes from one header to the next. */
export const plainHeaderStride = 16;
/** Word of a header, and bit in it, where the number of buffers begins. */
const buffersWord = 2;
const buffersBit = 16;

/**
 * Headers that say nothing but in how many buffers a packet is, 0 to `singlesPerRun`, for engines to copy. The thread that switches
 * does not touch a driver's buffer so: its cache line stays where it is written next, and where it was written last. Behind the last
 * one are zeroes, as behind all: a header with a hash is longer than the stride.
 */
export const plainHeaders = new Region(new ArrayBuffer((singlesPerRun + 2) * plainHeaderStride));
for (let buffers = 0; buffers <= singlesPerRun; buffers++)
  plainHeaders.i32[(buffers * plainHeaderStride) / 4 + buffersWord] = buffers << buffersBit;
