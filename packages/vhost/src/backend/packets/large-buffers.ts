import { BufferPool, Region, poolStride } from '@vio/rings';

/** Those of a pool that is made here: 4 MiB in all, of which pages that nobody has written cost nothing. */
const count = 64;
/** Bytes: the longest packet that is taken from a driver. */
const dataRoom = 65_550;
const headroom = 128;

/** Where packets go that do not fit one buffer: a pool of the application, or one that is made when the first of them comes. */
export class LargeBuffers {
  #pool: BufferPool | undefined;

  constructor(pool?: BufferPool) {
    this.#pool = pool;
  }

  /** The large buffers. */
  get pool(): BufferPool {
    return (this.#pool ??= new BufferPool({
      region: new Region(new ArrayBuffer(count * poolStride(dataRoom, headroom))),
      offset: 0,
      count,
      dataRoom,
      headroom,
    }));
  }
}
