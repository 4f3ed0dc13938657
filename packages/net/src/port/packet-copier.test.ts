import { BufferPool, Region } from '@vio/rings';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketBurst } from '../packet-burst.ts';
import { PacketCopier } from './packet-copier.ts';

function pool(dataRoom: number, count = 64): BufferPool {
  const region = new Region(new ArrayBuffer(count * 4096));
  return new BufferPool({ region, offset: 0, count, dataRoom });
}

/** Puts packets into a pool, each spread over buffers of the given sizes. */
function fill(from: BufferPool, packets: readonly (readonly Uint8Array[])[]): PacketBurst {
  const burst = new PacketBurst(32);
  burst.pool = from;
  for (const pieces of packets) {
    const buffers = new Int32Array(pieces.length);
    from.alloc(buffers, 0, pieces.length);
    for (const [k, piece] of pieces.entries()) {
      const b = buffers[k];
      from.dataOffset[b] = from.dataBase + b * from.stride;
      from.dataLength[b] = piece.length;
      from.next[b] = buffers[k + 1] ?? -1;
      from.region.u8.set(piece, from.dataOffset[b]);
    }
    const i = burst.count++;
    burst.buffer[i] = buffers[0];
    burst.offset[i] = from.dataOffset[buffers[0]];
    burst.length[i] = pieces.reduce((sum, piece) => sum + piece.length, 0);
    burst.segments[i] = pieces.length;
  }
  return burst;
}

function read(from: BufferPool, burst: PacketBurst): number[][] {
  return Array.from({ length: burst.count }, (_, i) => {
    const { u8 } = from.region;
    if (burst.segments[i] === 1) return [...u8.subarray(burst.offset[i], burst.offset[i] + burst.length[i])];
    const bytes: number[] = [];
    for (let b = burst.buffer[i]; b !== -1; b = from.next[b]) {
      bytes.push(...u8.subarray(from.dataOffset[b], from.dataOffset[b] + from.dataLength[b]));
    }
    return bytes;
  });
}

describe('PacketCopier', () => {
  it('copies packets however they are spread, and leaves the originals alone', () => {
    const packets = fc.array(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 128 }), { minLength: 1, maxLength: 3 }),
      {
        maxLength: 10,
      },
    );
    fc.assert(
      fc.property(packets, fc.constantFrom(64, 100, 2048), (pieces, targetRoom) => {
        const source = pool(128);
        const target = pool(targetRoom);
        const burst = fill(source, pieces);
        const copies = new PacketBurst(32);
        const wanted = pieces.map((list) => list.flatMap((piece) => [...piece]));
        expect(new PacketCopier(source, target).copy(burst, copies)).toBe(pieces.length);
        expect(read(target, copies)).toEqual(wanted);
        expect(read(source, burst)).toEqual(wanted);
        copies.release();
        expect(target.free).toBe(target.count);
      }),
    );
  });

  it('copies within the regions of the pools, wherever those are in their memory', () => {
    const memory = new Uint8Array(8 * 4096);
    const poolAt = (at: number) =>
      new BufferPool({ region: new Region(memory.buffer, at, 2 * 2176), offset: 0, count: 2 });
    const source = poolAt(4096);
    const target = poolAt(5 * 4096);
    const copies = new PacketBurst(32);
    const burst = fill(source, [[Uint8Array.of(7, 8, 9)]]);
    const before = memory.slice(0, 5 * 4096);
    new PacketCopier(source, target).copy(burst, copies);
    expect([read(target, copies), memory.subarray(0, 5 * 4096)]).toEqual([[[7, 8, 9]], before]);
  });

  it('stops at the last packet the target pool has room for', () => {
    const source = pool(128);
    const target = pool(64, 3);
    const burst = fill(
      source,
      [1, 2, 3].map((byte) => [new Uint8Array(100).fill(byte)]),
    );
    const copies = new PacketBurst(32);
    expect(new PacketCopier(source, target).copy(burst, copies)).toBe(1);
    expect(target.free).toBe(1);
  });

  it('appends to what the burst has already', () => {
    const source = pool(128);
    const target = pool(128);
    const copier = new PacketCopier(source, target);
    const burst = fill(source, [[Uint8Array.of(1)], [Uint8Array.of(2)]]);
    const copies = new PacketBurst(32);
    copier.copy(burst, copies, 1);
    copier.copy(burst, copies);
    expect(read(target, copies)).toEqual([[2], [1], [2]]);
  });
});
