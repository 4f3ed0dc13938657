/** What a kernel keeps of a queue's buffers: arrays by id, `size` entries each. */
export interface KernelNotes {
  /** A ring of free ids. */
  readonly ids: Uint16Array;
  /** The caller's token; -1 where the id is not outstanding. */
  readonly token: Int32Array;
  /** Descriptors behind the head. */
  readonly followers: Uint16Array;
  /** Split: the following id of a direct chain; undefined for a packed ring. */
  readonly links: Uint16Array | undefined;
  /** Bytes exposed; undefined where nobody wants to know. */
  readonly exposed: Int32Array | undefined;
}

/** The arrays of a pool, `capacity` entries each. */
export interface KernelPool {
  /** Free buffers, the next to take on top. */
  readonly stack: Int32Array;
  /** By buffer: the following one of a packet of several segments; -1: there is none. */
  readonly next: Int32Array;
  /** By buffer of such a packet: byte offset of its data in the region. */
  readonly dataOffset: Int32Array;
  /** By buffer of such a packet: bytes of its data. */
  readonly dataLength: Int32Array;
}

/** What a kernel works on. */
export interface DriverKernelParts extends KernelNotes, KernelPool {
  /** `driverJobWords` words, of which the fixed ones are written. */
  readonly job: Int32Array;
  /** The region. */
  readonly memory: Uint8Array;
  /** Counters as `queueCounter` says. */
  readonly counters: Float64Array;
}

/** The arrays of a burst, of one length. */
export interface KernelBurst {
  /** Buffer of the pool, the first of a packet of several segments. */
  readonly buffer: Int32Array;
  /** Byte offset of the packet in the region. */
  readonly offset: Int32Array;
  /** Bytes of the packet. */
  readonly length: Int32Array;
  /** Buffers it is spread over. */
  readonly segments: Int32Array;
  /** What packets to send leave to the device; undefined: nothing. */
  readonly offloads: KernelOffloads | undefined;
}

/** What the headers of packets to send shall say: arrays as long as the burst. */
export interface KernelOffloads {
  /** NEEDS_CSUM and other bits of the header; 0: nothing is left to the device. */
  readonly flags: Uint8Array;
  /** Kind of the segments that the packet is to be cut into. */
  readonly gsoType: Uint8Array;
  /** Bytes of all headers. */
  readonly headerLength: Uint16Array;
  /** Bytes of payload in a segment. */
  readonly segmentSize: Uint16Array;
  /** Byte offset in the frame from which on the checksum is to be computed. */
  readonly checksumStart: Uint16Array;
  /** Byte offset from there at which it is to be stored. */
  readonly checksumOffset: Uint16Array;
}

/**
 * Moves the packets of a port's queue, a burst in one call. The job says where queue, pool and burst stand, before and after;
 * what the kernel leaves to TypeScript it leaves where it is, and says so (`blocked`).
 */
export interface DriverKernel {
  /** Takes packets off the ring into the burst, counts them, and gives the device empty buffers. */
  receive(): void;
  /** Writes headers, counts, and exposes packets with one store; takes back buffers first where there is little room. */
  send(): void;
  /** Takes back the buffers that the device has read. */
  reap(): void;
  /** Binds a burst to a slot, 0 to `burstsPerKernel - 1`; the one that had it is forgotten. */
  bind(slot: number, burst: KernelBurst): void;
}
