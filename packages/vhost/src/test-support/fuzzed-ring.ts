// What fuzzers of a data path share: a device queue on a hostile driver's ring, and a pool that shows when somebody wrote beside it.
import { type PacketBurst, offloadFeatureBits } from '@vio/net';
import { HeaderCodec } from '@vio/net/internal';
import {
  BufferPool,
  type DeviceQueue,
  type DeviceQueueOptions,
  Region,
  createDeviceQueue,
  createTrackedDeviceQueue,
  poolStride,
} from '@vio/rings';
import type { Setup } from './hostile-driver.ts';
import { type HostileMemory, buffers, ringParts, ringPlace, ringWindow, tables } from './hostile-memory.ts';

/** Bytes of a buffer. */
export const dataRoom = 512;
const headroom = 64;
export const poolCount = 64;
/** Bytes in front of the pool, which nobody may write. */
const front = 4096;
const cleanFront = new Uint8Array(front).fill(0xc3);
export const journalBytes = 65_536;

/** Memory for packets: a pool, and what lies in front of it. */
export function packetMemory(): Region {
  return new Region(new ArrayBuffer(front + poolCount * poolStride(dataRoom, headroom)));
}

/** A pool there, of which all buffers are free. */
export function packetPool(region: Region): BufferPool {
  region.u8.set(cleanFront);
  return new BufferPool({ region, offset: front, count: poolCount, dataRoom, headroom });
}

/** Whether somebody wrote what is not the pool's; undefined: nobody did. */
export function poolDamage({ region }: BufferPool): string | undefined {
  return Buffer.compare(region.u8.subarray(0, front), cleanFront) === 0
    ? undefined
    : 'the memory in front of the pool was written';
}

/** Makes packets of these lengths, as far as there are buffers; their bytes are what is there. */
export function allocatePackets(pool: BufferPool, burst: PacketBurst, lengths: readonly number[]): void {
  burst.count = 0;
  burst.pool = pool;
  for (const length of lengths) {
    const held = new Int32Array(Math.ceil(length / dataRoom));
    if (pool.free < held.length) break;
    pool.alloc(held, 0, held.length);
    for (const [k, b] of held.entries()) {
      pool.dataOffset[b] = pool.dataBase + b * pool.stride;
      pool.dataLength[b] = Math.min(dataRoom, length - k * dataRoom);
      pool.next[b] = held[k + 1] ?? -1;
    }
    const i = burst.count++;
    burst.buffer[i] = held[0];
    burst.offset[i] = pool.dataOffset[held[0]];
    burst.length[i] = length;
    burst.segments[i] = held.length;
  }
}

/** The codec of a ring whose driver leaves work to its device, or takes some; else undefined. */
export function codecOf({ offloads, receives }: Setup): HeaderCodec | undefined {
  if (!offloads) return undefined;
  return receives ? HeaderCodec.received(offloadFeatureBits) : HeaderCodec.sent(offloadFeatureBits);
}

/** The device's side of a hostile driver's ring. @throws VioError when the ring makes no sense */
export function openRing(
  memory: HostileMemory,
  { size, features, direction, tracked, ...setup }: Setup,
  journal: ArrayBuffer,
  base = setup.base,
): { readonly bare: DeviceQueue; readonly options: DeviceQueueOptions } {
  const at = (offset: number) => ({ window: ringWindow, offset });
  const { descriptors, driver, device } = ringParts;
  const options = {
    memory: memory.map,
    addresses: { descriptors: at(descriptors), driver: at(driver), device: at(device) },
    size,
    features,
    base,
    indirectDirection: direction,
  };
  const bare = tracked
    ? createTrackedDeviceQueue(options, { buffer: journal, offset: 0 })
    : createDeviceQueue(options);
  return { bare, options };
}

/** What a data path threw: it may throw nothing. */
export function thrown(error: unknown): string {
  return `it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

/** Whether a descriptor names memory that is not for it: the ring as a buffer, a buffer as a table. */
export function overlap(ring: Uint8Array, { format, size }: Setup): boolean {
  const view = new DataView(ring.buffer, ring.byteOffset);
  for (let slot = 0; slot < size; slot++) {
    const at = ringParts.descriptors + 16 * slot;
    const flags = view.getUint32(at + 12, true) >>> (format === 'split' ? 0 : 16);
    const address = Number(view.getBigUint64(at, true));
    const inside = ({ guest, size: bytes }: { guest: number; size: number }): boolean =>
      address + view.getUint32(at + 8, true) > guest && address < guest + bytes;
    if ((flags & 4) !== 0 ? [ringPlace, ...buffers].some(inside) : inside(ringPlace) || inside(tables))
      return true;
  }
  return false;
}
