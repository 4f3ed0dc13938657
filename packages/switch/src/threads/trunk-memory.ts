import { EventFd, SharedMemory, dupFd } from '@vio/native';
import { BufferPool, Region, poolStride } from '@vio/rings';

/** Buffers, and places for what is said of each: a power of two. */
export const trunkSlots = 2048;
/** Words of what is said of a buffer. */
export const slotWords = 8;

/** Words by which the two sides see where the other one is, each in a cache line of its own. */
export const trunkWord = {
  /** Buffers that were filled so far, as a 32-bit number that wraps. */
  produced: 0,
  /** Buffers that were given back. */
  consumed: 16,
  /** 1: who receives sleeps, and is to be woken. */
  sleeps: 32,
} as const;

/** What is said of a buffer, by word; from `segments` on of the first one of a packet only. */
export const slot = {
  buffer: 0,
  /** Of the data, from the beginning of the memory. */
  offset: 1,
  /** Bytes in this buffer. */
  bytes: 2,
  /** Buffers of the packet; above 16 bits the bridge. */
  segments: 3,
  /** Bytes of the packet. */
  length: 4,
  /** Flags, segmentation type and bytes of headers. */
  header: 5,
  /** Bytes of a segment, where the checksum begins. */
  sizes: 6,
  /** Where it is stored; above 16 bits the port that gets a copy, plus one, or 0: the packet is to be forwarded. */
  target: 7,
} as const;

/** Where the slots begin, in words. */
export const slotsAt = 1024;
const buffersAt = 4 * (slotsAt + trunkSlots * slotWords);
const dataRoom = 2048;
const headroom = 128;
const size = buffersAt + trunkSlots * poolStride(dataRoom, headroom);

/** A trunk as another thread opens it: descriptors of this process, which stay open meanwhile. */
export interface TrunkHandle {
  readonly memory: number;
  readonly event: number;
}

/** The memory of one way from one thread to another, and what wakes who receives. Each side has it mapped. */
export class TrunkMemory implements Disposable {
  readonly region: Region;
  readonly event: EventFd;
  readonly #memory: SharedMemory;

  private constructor(memory: SharedMemory, event: EventFd) {
    this.#memory = memory;
    this.event = event;
    this.region = new Region(memory.buffer);
  }

  static create(): TrunkMemory {
    return new TrunkMemory(
      SharedMemory.create({ size, name: 'vio-trunk', populate: false }),
      EventFd.create(),
    );
  }

  /** In another thread. */
  static open({ memory, event }: TrunkHandle): TrunkMemory {
    return new TrunkMemory(SharedMemory.map(memory, { size, populate: false }), EventFd.adopt(dupFd(event)));
  }

  get handle(): TrunkHandle {
    return { memory: this.#memory.fd, event: this.event.fd };
  }

  /** Buffers that are on their way. */
  get waiting(): number {
    const { i32 } = this.region;
    return (Atomics.load(i32, trunkWord.produced) - Atomics.load(i32, trunkWord.consumed)) | 0;
  }

  /** Its buffers, for one side: who sends takes them out of its pool, who receives finds packets in its own. */
  pool(): BufferPool {
    return new BufferPool({ region: this.region, offset: buffersAt, count: trunkSlots, dataRoom, headroom });
  }

  [Symbol.dispose](): void {
    this.event.close();
    this.#memory.close();
  }
}
