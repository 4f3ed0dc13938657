import { type CopyEngine, nativeCopyEngine, twinCopyEngine } from '@vio/native/internal';
import { PacketBurst, type QueueStats } from '@vio/net';
import {
  BufferPool,
  type MemoryMap,
  Region,
  type RingFeatures,
  type RingFormat,
  createDeviceQueue,
  poolStride,
} from '@vio/rings';
import { ScriptedDriver, freshMemory } from '@vio/rings/testing';
import { BurstCopier } from '../backend/packets/burst-copier.ts';
import { createChains } from '../backend/packets/chains.ts';
import type { FillHeader } from '../backend/packets/chains-path.ts';
import { createSingles } from '../backend/packets/singles.ts';
import type { SinglesPath } from '../backend/packets/singles-path.ts';

export const engines: readonly [string, () => CopyEngine][] = [
  ['in C++', nativeCopyEngine],
  ['in TypeScript', twinCopyEngine],
];

/** Both engines on both formats. */
export const cases = engines.flatMap(([where, engine]) =>
  (['split', 'packed'] as const).map((format) => ({ where, engine, format })),
);

export interface Options extends Partial<RingFeatures> {
  readonly size?: number;
  readonly memory?: MemoryMap;
  readonly writable?: boolean;
  readonly headerBytes?: number;
  readonly buffers?: number;
  readonly mergeable?: boolean;
  readonly fillHeader?: FillHeader;
  readonly stats?: QueueStats;
}

/** Guest address of the first window: its 64 KiB cross a 4 GiB boundary, so that both halves of an address matter. */
export const base = 0x1_ffff_8000;
export const dataRoom = 100;

/** The fast ways over a queue whose driver plays what a test says, with a local pool of 16 buffers of 100 bytes. */
export function setUpSingles(engine: () => CopyEngine, format: RingFormat, options: Options = {}) {
  const {
    size = 8,
    memory = freshMemory({ guestAddress: base, size: 0x1_0000 }),
    writable = false,
    headerBytes = 12,
    buffers = 16,
    mergeable = false,
    fillHeader,
    stats,
    ...features
  } = options;
  const driver = new ScriptedDriver({
    memory,
    size,
    features: { format, inOrder: false, indirect: true, eventIdx: false, ...features },
  });
  const queue = createDeviceQueue(driver.device);
  const copier = new BurstCopier(memory, engine());
  const singles: SinglesPath = createSingles({ queue, copier, headerBytes, writable, stats });
  const region = new Region(new ArrayBuffer(buffers * poolStride(dataRoom, 64)));
  const pool = new BufferPool({ region, offset: 0, count: buffers, dataRoom, headroom: 64 });
  const chains = createChains({ queue, copier, headerBytes, writable, mergeable, fillHeader });
  if (chains === undefined) throw new TypeError('a queue that is not for chains');
  return { driver, memory, queue, copier, singles, chains, pool, burst: new PacketBurst(32) };
}

/** The packets of a burst, one buffer each. */
export function contentsOf(pool: BufferPool, burst: PacketBurst): number[][] {
  return Array.from({ length: burst.count }, (_, i) => [
    ...pool.region.u8.subarray(burst.offset[i], burst.offset[i] + burst.length[i]),
  ]);
}

/** So many bytes, each one more than the one before it. */
export const numbers = (count: number, first = 1): number[] =>
  Array.from({ length: count }, (_, i) => (first + i) & 0xff);

/** Makes packets with these bytes, one buffer each. */
export function fill(pool: BufferPool, burst: PacketBurst, packets: readonly (readonly number[])[]): void {
  burst.pool = pool;
  pool.allocBurst(burst, packets.length, 0);
  for (const [i, packet] of packets.entries()) {
    pool.region.u8.set(packet, burst.offset[i]);
    burst.length[i] = packet.length;
  }
}
