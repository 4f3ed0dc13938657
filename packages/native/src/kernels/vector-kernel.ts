import { markAsUntransferable } from 'node:worker_threads';
import { addon } from '../addon.ts';
import { vectorJobWords } from './layouts.ts';

/** What a kernel works on besides the job: the region, and the queue's own notes, `size` entries each. */
export interface VectorKernelParts {
  /** The region that holds ring and pool. */
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
  /** The words of the job, by `vectorJob`. */
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
  const job = new Int32Array(vectorJobWords);
  describe(job);
  for (const array of [job, parts.token, parts.ids, parts.followers, parts.exposed])
    if (array !== null) markAsUntransferable(array.buffer);
  return { job, ...addon.createVectorKernel({ ...parts, job }) };
}
