import { readFileSync } from 'node:fs';
import { SharedMemory } from '@vio/native';
import { bufferAddress } from '@vio/native/internal';
import { afterEach, describe, expect, it } from 'vitest';
import { KernelMemory } from './kernel-memory.ts';

const page = 4096;
const memories: SharedMemory[] = [];

/** Two regions of one file: the second lies apart for the driver, and further on in the file. */
function regions() {
  const memory = SharedMemory.create({ size: 4 * page, name: 'kernel-memory-test' });
  memories.push(memory);
  return [
    { guestAddress: 0, userAddress: 0x1_0000, size: page, mmapOffset: 0, fd: memory.fd },
    { guestAddress: 0x8000, userAddress: 0x9_0000, size: 2 * page, mmapOffset: 2 * page, fd: memory.fd },
  ];
}

afterEach(() => {
  for (const memory of memories.splice(0)) memory.close();
});

describe('memory for the kernel', () => {
  it('is told by addresses of this process, each region for itself', () => {
    using memory = new KernelMemory(regions());
    expect(memory.regions.map(({ guestAddress, size }) => [guestAddress, size])).toEqual([
      [0n, 4096n],
      [0x8000n, 8192n],
    ]);
    const addresses = memory.regions.map(({ userAddress }) => userAddress);
    expect(addresses.map((address) => address % 4096n)).toEqual([0n, 0n]);
    expect(new Set([...addresses, bufferAddress(memories[0].buffer)]).size).toBe(3);
  });

  it('knows a part of a ring by its address in this process, counted from its region', () => {
    using memory = new KernelMemory(regions());
    const [first, second] = memory.regions;
    expect(memory.ring({ descriptors: 0x1_0000, driver: 0x1_0fff, device: 0x9_0100 })).toEqual({
      descriptors: first.userAddress,
      avail: first.userAddress + 0xfffn,
      used: second.userAddress + 0x100n,
    });
  });

  it('knows a byte by the address that descriptors have for it', () => {
    using memory = new KernelMemory(regions());
    expect([memory.guestAddress(0x1_0010), memory.guestAddress(0x9_1fff)]).toEqual([0x10, 0x9fff]);
  });

  it.each([0, 0xffff, 0x1_1000, 0x9_2000])('refuses the address %i, which is in no region', (address) => {
    using memory = new KernelMemory(regions());
    expect(() => memory.guestAddress(address)).toThrow(expect.objectContaining({ code: 'VIO_VHOST_RING' }));
  });

  it('keeps no mapping when one of the regions cannot be mapped', () => {
    const shared = regions();
    const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split('kernel-memory-test').length;
    const before = mappings();
    expect(() => new KernelMemory([shared[0], { ...shared[1], fd: -1 }])).toThrow(/beyond/);
    expect(mappings()).toBe(before);
  });
});
