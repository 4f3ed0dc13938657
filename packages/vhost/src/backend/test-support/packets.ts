import { PacketBurst } from '@vio/net';
import { BufferPool, Region } from '@vio/rings';
import type { ScriptedDriver } from '@vio/rings/testing';

/** Bytes of the virtio-net header in front of every packet. */
export const headerBytes = 12;

/** Memory for packets on the backend's side. */
export function packetPool(count = 64): BufferPool {
  return new BufferPool({ region: new Region(new ArrayBuffer(count * 2176)), offset: 0, count });
}

/** Packets of these bytes, each spread over as many buffers as it takes. */
export function packetsOf(pool: BufferPool, ...contents: readonly Uint8Array[]): PacketBurst {
  const burst = new PacketBurst(64);
  burst.pool = pool;
  for (const [i, bytes] of contents.entries()) {
    const buffers = new Int32Array(Math.max(1, Math.ceil(bytes.length / pool.dataRoom)));
    pool.alloc(buffers, 0, buffers.length);
    for (const [k, b] of buffers.entries()) {
      const part = bytes.subarray(k * pool.dataRoom, (k + 1) * pool.dataRoom);
      pool.dataOffset[b] = pool.dataBase + b * pool.stride;
      pool.dataLength[b] = part.length;
      pool.next[b] = buffers[k + 1] ?? -1;
      pool.region.u8.set(part, pool.dataOffset[b]);
    }
    burst.buffer[i] = buffers[0];
    burst.offset[i] = pool.dataOffset[buffers[0]];
    burst.length[i] = bytes.length;
    burst.segments[i] = buffers.length;
  }
  burst.count = contents.length;
  return burst;
}

/** The bytes of every packet of a burst. */
export function contentsOf(burst: PacketBurst): Uint8Array[] {
  const { pool } = burst;
  if (pool === undefined) return [];
  return Array.from({ length: burst.count }, (_, i) => {
    const { u8 } = pool.region;
    if (burst.segments[i] === 1) return u8.slice(burst.offset[i], burst.offset[i] + burst.length[i]);
    const parts: Uint8Array[] = [];
    for (let b = burst.buffer[i]; b !== -1; b = pool.next[b]) {
      parts.push(u8.slice(pool.dataOffset[b], pool.dataOffset[b] + pool.dataLength[b]));
    }
    return new Uint8Array(Buffer.concat(parts));
  });
}

/** A packet of so many bytes, each one different from its neighbours. */
export function packet(bytes: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + seed * 31 + (i >> 8)) & 0xff);
}

/** Makes a driver send a packet, in one descriptor. */
export function sendFrom(driver: ScriptedDriver, bytes: Uint8Array): void {
  const frame = new Uint8Array(headerBytes + bytes.length);
  frame.set(bytes, headerBytes);
  driver.expose([{ address: driver.memory.put(frame), length: frame.length }]);
}

/** Makes a driver supply a receive buffer. @returns its guest address */
export function supply(driver: ScriptedDriver, length: number): number {
  const address = driver.memory.alloc(length);
  driver.expose([{ address, length, writable: true }]);
  return address;
}
