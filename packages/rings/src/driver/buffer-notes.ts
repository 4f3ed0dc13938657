import type { BufferPool } from '../memory/buffer-pool.ts';

/**
 * What a driver queue keeps of its buffers, in this process's own memory, where no device writes: all arrays have `size`
 * entries. A kernel works on the same ones.
 */
export interface BufferNotes {
  /**
   * Ids not in use, a ring: taken at one end, given back at the other. A device that uses buffers in order meets the same
   * ids at the same places round after round. With IN_ORDER every id stays at the place that has its number.
   */
  readonly ids: Uint16Array;
  /** By id: the caller's token; -1 where the id is not outstanding. */
  readonly token: Int32Array;
  /** By id: descriptors behind the first that its buffer takes up in the ring. */
  readonly followers: Uint16Array;
  /** By id: bytes exposed. Kept where a device may leave a written length out (IN_ORDER, writable buffers); else null. */
  readonly exposed: Int32Array | null;
}

/** @param exposed whether the bytes exposed are of interest */
export function bufferNotes(size: number, exposed: boolean): BufferNotes {
  return {
    ids: Uint16Array.from({ length: size }, (_, i) => i),
    token: new Int32Array(size).fill(-1),
    followers: new Uint16Array(size),
    exposed: exposed ? new Int32Array(size) : null,
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
