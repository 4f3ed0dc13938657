import { SharedMemory } from '@vio/native';

/** What a port's memory is made of. */
export interface MemoryOptions {
  /**
   * `'2M'` or `'1G'`: pages of this size, which must have been reserved. `'none'`: the system's own pages, of 4 KiB, which need no
   * preparation. Default `'auto'`: pages of 2 MiB where enough are free for a port that fills one and does not grow, else those of
   * 4 KiB.
   */
  readonly hugepages?: 'auto' | 'none' | '2M' | '1G';
  /** Keep all of it in memory (mlock). Default false. */
  readonly lock?: boolean;
  /**
   * Packet buffers of the port to begin with, 2176 bytes each; more than `queues` times `queueSize`. Default: four times that,
   * and 1024 at least.
   */
  readonly buffers?: number;
  /** Buffers the pool may grow to by `port.growPool`; room for them is kept, memory is not. Default: it does not grow. */
  readonly maxBuffers?: number;
}

/** What a port needs of a device's memory. */
export interface MemoryRequest extends Pick<MemoryOptions, 'lock'> {
  /** Of which pages, all or nothing. Undefined: the system's own. */
  readonly hugepages?: '2M' | '1G';
  /** Bytes, as many as the port may ever use. */
  readonly bytes: number;
  /** Bytes that it begins with, from the start on. */
  readonly startBytes: number;
  /** Accepted features. */
  readonly features: bigint;
}

/** Memory that a device reaches, all zero. */
export interface DeviceMemory {
  /** All of it, as this process sees it. */
  readonly buffer: ArrayBuffer;
  /** By which the device knows byte 0; all of it lies between two multiples of 4 GiB. 0n: offsets are addresses. */
  readonly address: bigint;
  /** A file that holds it from its byte 0 on, for other threads and processes to map; undefined: there is none. */
  readonly fd: number | undefined;
  /** Bytes from the start that have pages, and that the device may be told of. */
  readonly ready: number;
  /** Gives it back; the device must not use it any more. Idempotent. */
  close(): void;
}

/**
 * A memfd, for devices that map what they are given: sealed, mapped once, as large as the port may ever get. What comes behind
 * `startBytes` has no pages yet; of huge pages all are there, since nobody else could have them.
 * @throws VioError VIO_HUGEPAGES, VIO_MEMORY_LOCK, VIO_MEMORY_RANGE
 */
export function sharedMemory({ bytes, startBytes, hugepages, lock = false }: MemoryRequest): DeviceMemory {
  const grows = startBytes < bytes;
  const pages = hugepages === undefined ? {} : { hugepages };
  const populate = !grows || hugepages !== undefined;
  const shared = SharedMemory.create({ size: bytes, name: 'vio-port', populate, lock, ...pages });
  // The first pages are there before the first packet, those of the rest when they are needed.
  if (!populate) new Uint8Array(shared.buffer, 0, startBytes).fill(0);
  return {
    buffer: shared.buffer,
    address: 0n,
    get fd() {
      return shared.fd;
    },
    ready: grows ? startBytes : shared.size,
    close: () => shared.close(),
  };
}
