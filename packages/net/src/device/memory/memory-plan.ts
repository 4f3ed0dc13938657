import { VioError } from '@vio/native';
import { type RingFeatures, driverQueueBytes, poolStride } from '@vio/rings';

/** Descriptors of the two rings of a queue pair. */
export interface RingSizes {
  readonly rx: number;
  readonly tx: number;
}

/** Where everything of a port lies in its one memory, in bytes from the start. */
export interface MemoryPlan {
  /** By queue pair. */
  readonly sizes: readonly RingSizes[];
  /** By queue pair. */
  readonly rxOffset: readonly number[];
  readonly txOffset: readonly number[];
  /** Of the control queue; where the pool begins if there is none. */
  readonly controlOffset: number;
  readonly poolOffset: number;
  readonly poolBuffers: number;
  /** Buffers the pool may grow to. */
  readonly maxBuffers: number;
  /** Bytes in front of the data of every buffer, and for the data. */
  readonly headroom: number;
  readonly dataRoom: number;
  /** Buffers of one queue pair that is detached, and where they begin, by queue pair. */
  readonly pairBuffers: number;
  readonly pairPoolOffset: readonly number[];
  /** What the port begins with, and all of it. */
  readonly startBytes: number;
  readonly bytes: number;
}

/** Offsets are addresses on the wire, and there are devices (QEMU's) that take a ring at 0 for one that is not there. */
const firstRing = 4096;
/** Bytes of a receive buffer. */
export const dataRoom = 2048;
/**
 * The frame begins a cache line, as in DPDK's buffers, and the virtio-net header ends the line before. A peer then reads
 * 64 bytes of frame from one line instead of two, and writes headers apart from frames: against testpmd 22.11 reception
 * rose by 1.27 (split mergeable, near) and 1.51 (packed mergeable, far), and sending stayed between 0.99 and 1.15 (64 bytes,
 * `bench --ab`). The stride is then 34 lines. An odd number of lines cost sending 10 to 20 %.
 */
const headroom = 128;

/** What else a plan goes by. */
export interface MemoryWishes {
  /** Bytes of the control queue's ring. Default 0: there is none. */
  readonly controlBytes?: number;
  /** Of the port to begin with. */
  readonly buffers?: number | undefined;
  /** The pool may grow to; fewer than it begins with: it does not grow. */
  readonly maxBuffers?: number | undefined;
}

/**
 * Rings first, then the pool: twice the descriptors of all rings, so that full rings leave as many buffers to the
 * application, unless it says how many.
 * @param sizes by queue pair
 * @throws VioError VIO_POOL_SIZE when the receive rings would take every buffer that was asked for
 */
export function planMemory(
  sizes: readonly RingSizes[],
  features: RingFeatures,
  { controlBytes = 0, buffers, maxBuffers: mostBuffers = 0 }: MemoryWishes = {},
): MemoryPlan {
  const queues = sizes.length;
  const rxOffset: number[] = [];
  const txOffset: number[] = [];
  let controlOffset = firstRing;
  for (const { rx, tx } of sizes) {
    rxOffset.push(controlOffset);
    txOffset.push(controlOffset + driverQueueBytes(features, rx));
    controlOffset += driverQueueBytes(features, rx) + driverQueueBytes(features, tx);
  }
  const poolOffset = controlOffset + controlBytes;
  const stride = poolStride(dataRoom, headroom);
  const pairBuffers =
    buffers === undefined
      ? Math.max(...sizes.map(({ rx, tx }) => 2 * (rx + tx)), Math.ceil(1024 / queues))
      : buffersOfPair(buffers, queues, Math.max(...sizes.map(({ rx }) => rx)));
  const poolBuffers = queues * pairBuffers;
  const maxBuffers = Math.max(poolBuffers, mostBuffers);
  return {
    sizes,
    rxOffset,
    txOffset,
    controlOffset,
    poolOffset,
    poolBuffers,
    maxBuffers,
    headroom,
    dataRoom,
    pairBuffers,
    pairPoolOffset: rxOffset.map((_, pair) => poolOffset + pair * pairBuffers * stride),
    startBytes: poolOffset + poolBuffers * stride,
    bytes: poolOffset + maxBuffers * stride,
  };
}

function buffersOfPair(buffers: number, queues: number, size: number): number {
  const each = Math.floor(buffers / queues);
  if (each > size) return each;
  throw new VioError(`${buffers} buffers for ${queues} queue pairs with rings of ${size}`, {
    code: 'VIO_POOL_SIZE',
    remedy: `give memory.buffers of ${queues * (size + 1)} or more, or smaller rings: a receive ring takes ${size} of them, and sending takes others`,
  });
}
