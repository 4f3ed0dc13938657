import { heldArray } from '@vio/native/internal';

/**
 * A reusable burst of buffers: parallel arrays of `capacity` entries, of which the first `count` are in use.
 * It is allocated once and handed around; nothing on the hot path allocates per packet.
 *
 * A packet of one segment is described here completely. A packet of more (`segments[i] > 1`) starts at pool
 * buffer `buffer[i]` and goes on through the pool's `next`, `dataOffset` and `dataLength` of every one of its
 * buffers, the first included.
 */
export class Burst {
  /** Packets in the burst: entries 0 to `count - 1` are used. */
  count = 0;
  /** Packets it has room for. */
  readonly capacity: number;
  /** Pool buffer index of the (first) segment. */
  readonly buffer: Int32Array;
  /** Byte offset of the packet's first byte in the region. */
  readonly offset: Int32Array;
  /** Bytes of the whole packet. */
  readonly length: Int32Array;
  /** Number of buffers the packet is spread over, 1 or more. */
  readonly segments: Int32Array;

  constructor(capacity = 32) {
    this.capacity = capacity;
    this.buffer = heldArray(Int32Array, capacity);
    this.offset = heldArray(Int32Array, capacity);
    this.length = heldArray(Int32Array, capacity);
    this.segments = heldArray(Int32Array, capacity);
  }
}
