import type { RingFeatures, RingFormat } from '../format.ts';
import { BufferPool } from '../memory/buffer-pool.ts';
import { Region } from '../memory/region.ts';
import { ScriptedDevice } from '../testing/scripted-device.ts';
import { createDriverQueue, driverQueueBytes } from '../driver/create-driver-queue.ts';
import type { DriverQueueOptions } from '../driver/driver-queue.ts';

/** A ring format with or without IN_ORDER: one driver queue each. */
export interface Kind {
  readonly format: RingFormat;
  readonly inOrder: boolean;
}

const splitOnly: Kind = { format: 'split', inOrder: false };
const splitInOrder: Kind = { format: 'split', inOrder: true };
const packedOnly: Kind = { format: 'packed', inOrder: false };
const packedInOrder: Kind = { format: 'packed', inOrder: true };
export const splitKinds = [splitOnly, splitInOrder];
export const packedKinds = [packedOnly, packedInOrder];
export const kinds = [...splitKinds, ...packedKinds];
export const outOfOrderKinds = [splitOnly, packedOnly];
export const inOrderKinds = [splitInOrder, packedInOrder];

export interface Setup extends Partial<Omit<RingFeatures, 'format' | 'inOrder'>> {
  readonly size?: number;
  readonly deviceWrites?: boolean;
  readonly queue?: Partial<DriverQueueOptions>;
  /** Buffers in the pool. */
  readonly buffers?: number;
}

/** Lengths of so many packets, each another one. */
export const ofLength = (n: number): number[] => Array.from({ length: n }, (_, i) => 10 + i);

/** Bytes in front of every packet that are exposed with it. */
export const prefix = 12;
const offset = 8192;

/**
 * A driver queue of 8 descriptors with the scripted device that serves it and a pool behind it. Indirect descriptors
 * are negotiated, the device reads, unless said otherwise.
 */
export function setUp(kind: Kind, options: Setup = {}) {
  const { size = 8, deviceWrites = false, queue: extra, buffers: count = 64, ...optional } = options;
  const features: RingFeatures = { indirect: true, eventIdx: false, ...kind, ...optional };
  const poolAt = offset + driverQueueBytes(features, size, extra?.indirectEntries) + 4096;
  const region = new Region(new ArrayBuffer(poolAt + count * 256));
  const pool = new BufferPool({ region, offset: poolAt, count, dataRoom: 128, headroom: 128 });
  const queue = createDriverQueue({ region, offset, size, features, deviceWrites, ...extra });
  const device = new ScriptedDevice({ region, addresses: queue.addresses, size, features });

  /** Adds packets of one segment and these lengths. @returns their tokens; what does not fit goes back to the pool */
  const add = (...lengths: readonly number[]): number[] => {
    const token = new Int32Array(lengths.length);
    pool.alloc(token, 0, lengths.length);
    const start = token.map((b) => pool.dataBase + b * pool.stride);
    const added = queue.add(token, start, Int32Array.from(lengths), 0, lengths.length, prefix);
    pool.release(token, added, lengths.length - added);
    return [...token.subarray(0, added)];
  };

  /** Adds packets whose segments have these lengths. @returns the first buffers of those that were taken */
  const addChains = (...packets: readonly (readonly number[])[]): number[] => {
    const heads = Int32Array.from(packets, (lengths) => {
      const buffers = new Int32Array(lengths.length);
      pool.alloc(buffers, 0, lengths.length);
      for (const [i, b] of buffers.entries()) {
        pool.next[b] = i + 1 < buffers.length ? buffers[i + 1] : -1;
        pool.dataOffset[b] = pool.dataBase + b * pool.stride;
        pool.dataLength[b] = lengths[i];
      }
      return buffers[0];
    });
    const segments = Int32Array.from(packets, ({ length }) => length);
    const added = queue.addChains(heads, segments, pool, 0, packets.length, prefix);
    for (const head of heads.subarray(added)) pool.releaseChain(head);
    return [...heads.subarray(0, added)];
  };

  /** Takes back up to `max` buffers and gives them to the pool. @returns [token, length] of each */
  const reap = (max = 32): [number, number][] => {
    const token = new Int32Array(max);
    const length = new Int32Array(max);
    const n = queue.reap(token, length, 0, max);
    for (const head of token.subarray(0, n)) pool.releaseChain(head);
    return Array.from({ length: n }, (_, i) => [token[i], length[i]]);
  };

  /** Takes back what a stopped device held, for the pool. @returns the tokens, sorted */
  const reclaim = (): number[] => {
    const token = new Int32Array(size);
    const n = queue.reclaim(token);
    for (const head of token.subarray(0, n)) pool.releaseChain(head);
    return [...token.subarray(0, n)].toSorted((a, b) => a - b);
  };

  return { queue, device, pool, region, features, add, addChains, reap, reclaim };
}
