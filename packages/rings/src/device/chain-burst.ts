/**
 * A reusable burst of descriptor chains as a device sees them: copied, validated and translated. Parallel arrays;
 * chain i owns the segments `firstSegment[i]` to `firstSegment[i + 1] - 1`, of which the first `readable[i]` are
 * for the device to read and the rest for it to write.
 */
export class ChainBurst {
  /** Chains in the burst. */
  count = 0;
  /** True when the last fetch stopped because nothing more fits in here: entries, segments or descriptors. */
  full = false;
  /** Descriptors that the chains in here are made of, those of indirect tables included; at most about `segmentCapacity`. */
  descriptors = 0;
  /** Chains this burst can hold. */
  readonly capacity: number;
  /**
   * Segments this burst can hold over all its chains, and descriptors they may be made of (empty ones have no segment):
   * a fetch takes fewer chains when it fills up. One chain may have as many descriptors as the queue, whatever this is.
   */
  readonly segmentCapacity: number;

  /** Split: head descriptor index; packed: buffer id. */
  readonly id: Int32Array;
  /** Ring slots the chain occupies (packed), 1 for split. */
  readonly slots: Int32Array;
  /** Descriptors of the ring that the chain occupies: as `slots` in a packed one. */
  readonly held: Int32Array;
  /** Descriptors the chain is made of, those of its indirect table included. */
  readonly parts: Int32Array;
  /** capacity + 1 entries. */
  readonly firstSegment: Int32Array;
  /** Number of device-readable segments, which come first. */
  readonly readable: Int32Array;
  /** Bytes over the readable segments, saturated at 2^31 - 1. */
  readonly readableBytes: Int32Array;
  /** Bytes over the writable segments, saturated at 2^31 - 1. */
  readonly writableBytes: Int32Array;
  /** What the device wrote, in bytes; the user of the burst fills it before `complete`. */
  readonly written: Int32Array;

  /** Window of the memory map a segment lies in. */
  readonly window: Int32Array;
  /** Byte offset in that window. */
  readonly offset: Int32Array;
  /** Bytes. */
  readonly length: Int32Array;

  constructor(capacity = 64, segmentCapacity = 4096) {
    this.capacity = capacity;
    this.segmentCapacity = segmentCapacity;
    this.id = new Int32Array(capacity);
    this.slots = new Int32Array(capacity);
    this.held = new Int32Array(capacity);
    this.parts = new Int32Array(capacity);
    this.firstSegment = new Int32Array(capacity + 1);
    this.readable = new Int32Array(capacity);
    this.readableBytes = new Int32Array(capacity);
    this.writableBytes = new Int32Array(capacity);
    this.written = new Int32Array(capacity);
    this.window = new Int32Array(segmentCapacity);
    this.offset = new Int32Array(segmentCapacity);
    this.length = new Int32Array(segmentCapacity);
  }

  /** Forgets all chains. */
  clear(): void {
    this.count = 0;
    this.full = false;
    this.descriptors = 0;
    this.firstSegment[0] = 0;
  }
}
