import { PacketBurst } from '@vio/net';
import { writeFrames } from '@vio/net/testing';
import { BufferPool } from '@vio/rings';
import { type ScriptedDriver, privatePool } from '@vio/rings/testing';

/** Bytes of the virtio-net header in front of every packet. */
export const headerBytes = 12;

/** Memory for packets on the backend's side. */
export const packetPool = privatePool;

/** Packets of these bytes, each spread over as many buffers as it takes. */
export function packetsOf(pool: BufferPool, ...contents: readonly Uint8Array[]): PacketBurst {
  const burst = new PacketBurst(64);
  writeFrames(pool, burst, contents);
  return burst;
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
