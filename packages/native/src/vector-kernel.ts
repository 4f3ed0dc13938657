import { markAsUntransferable } from 'node:worker_threads';
import { addon } from './addon.ts';

/** The words of a job. Offsets are bytes in the region. */
export const vectorJob = {
  /** The ring, fixed: 1 packed or 0 split, descriptors, 1 when the device writes, where the region begins for the device. */
  packed: 0,
  size: 1,
  deviceWrites: 2,
  addressLow: 3,
  addressHigh: 4,
  /** The parts of the ring, fixed; avail and used of a split ring only. */
  descAt: 5,
  availAt: 6,
  usedAt: 7,
  /** Split: avail index; packed: position and wrap counter of the next available descriptor. */
  availNext: 8,
  availWrap: 9,
  /** Split: used index taken so far; packed: position and wrap counter of the next used descriptor. */
  usedNext: 10,
  usedWrap: 11,
  /** The ring of free ids: the next to take, the next to fill. */
  idHead: 12,
  idTail: 13,
  /** Descriptors free, buffers the device holds; packed: the oldest id it holds. */
  free: 14,
  outstanding: 15,
  oldest: 16,
  /** Of a call: first entry of the arrays, entries, bytes of the header in front of the data. */
  from: 17,
  count: 18,
  header: 19,
  /** The pool: data of buffer 0, bytes from one to the next, bytes for data in each. */
  base: 20,
  stride: 21,
  dataRoom: 22,
  /** What `receive` and `send` counted, in the order of QueueStats. */
  counts: 23,
} as const;

/** Counters of a job, from `vectorJob.counts` on. */
export const vectorCounts = 13;

/** What a kernel works on besides the job: the region, and the queue's own notes, `size` entries each. */
export interface VectorKernelParts {
  readonly memory: Uint8Array;
  /** By id: the caller's token; -1 where the id is not outstanding. */
  readonly token: Int32Array;
  /** A ring of free ids. */
  readonly ids: Uint16Array;
  /** By id: descriptors behind the head. */
  readonly followers: Uint16Array;
  /** By id: bytes exposed; null where nobody wants to know. */
  readonly exposed: Int32Array | null;
}

/**
 * Moves the packets of a port's queue, a burst in one call, as long as each has one descriptor. Rings are split, or
 * packed with IN_ORDER. `job` says where the queue stands, before and after; entries `from` to `from + count - 1` of the
 * arrays are used.
 */
export interface VectorKernel {
  readonly job: Int32Array;
  /** Takes packets off the ring, and counts them. One with a length that cannot be ends the burst. @returns how many */
  receive(buffer: Int32Array, offset: Int32Array, length: Int32Array, segments: Int32Array): number;
  /** Clears headers, counts, and exposes packets with one store, up to the first of several segments. @returns how many */
  send(buffer: Int32Array, offset: Int32Array, length: Int32Array, segments: Int32Array): number;
  /** Exposes empty buffers of the pool. @returns how many */
  supply(buffers: Int32Array): number;
  /** Takes back buffers that the device has read. @returns how many */
  reap(buffers: Int32Array): number;
}

/** @param describe writes the fixed words of the job */
export function createVectorKernel(
  parts: VectorKernelParts,
  describe: (job: Int32Array) => void,
): VectorKernel {
  const job = new Int32Array(vectorJob.counts + vectorCounts);
  describe(job);
  for (const array of [job, parts.token, parts.ids, parts.followers, parts.exposed])
    if (array !== null) markAsUntransferable(array.buffer);
  return { job, ...addon.createVectorKernel({ ...parts, job }) };
}
