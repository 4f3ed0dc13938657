import { type KernelNotes, heldArray } from '@vio/native/internal';
import type { BufferPool } from '../memory/buffer-pool.ts';

/**
 * What a driver queue keeps of its buffers, in this process's own memory, where no device writes, and what a kernel works on
 * as well. Free ids are taken at one end and given back at the other: a device that uses buffers in order meets the same ids
 * at the same places round after round, and with IN_ORDER every id stays at the place that has its number. The bytes exposed
 * are kept where a device may leave a written length out: IN_ORDER, writable buffers.
 */
export type BufferNotes = KernelNotes;

/**
 * @param linked whether descriptors of a chain have ids of their own: split
 * @param exposed whether the bytes exposed are of interest
 */
export function bufferNotes(size: number, linked: boolean, exposed: boolean): BufferNotes {
  const ids = heldArray(Uint16Array, size);
  for (let i = 0; i < size; i++) ids[i] = i;
  return {
    ids,
    token: heldArray(Int32Array, size).fill(-1),
    followers: heldArray(Uint16Array, size),
    links: linked ? heldArray(Uint16Array, size) : undefined,
    exposed: exposed ? heldArray(Int32Array, size) : undefined,
  };
}

/** @returns the ids that are outstanding */
export function heldIds({ token }: BufferNotes): number[] {
  return Array.from(token.keys()).filter((id) => token[id] >= 0);
}

/** @returns bytes that a packet of several segments exposes, `prefix` in front of the first included */
export function exposedBytes(head: number, pool: BufferPool, prefix: number): number {
  let bytes = prefix;
  for (let b = head; b !== -1; b = pool.next[b]) bytes += pool.dataLength[b];
  return bytes;
}
