// The messages to vhost-vdpa, byte by byte: `struct vhost_msg_v2` of linux/vhost_types.h.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { KernelStandIn, packed } from '../test-support/kernel-stand-in.ts';
import { VdpaIotlb } from './iotlb.ts';

const kernel = vi.hoisted(() => ({ current: undefined as KernelStandIn | undefined }));
vi.mock('@vio/native/internal', async (original) => ({
  ...(await original<object>()),
  writeAsync: (...call: Parameters<KernelStandIn['writeAsync']>) => kernel.current?.writeAsync(...call),
}));

let standIn: KernelStandIn;
beforeEach(() => {
  standIn = new KernelStandIn();
  kernel.current = standIn;
});

const region = { guestAddress: 0x10_0000n, size: 0x2000n, userAddress: 0x7f00_0000_0000n };
const other = { guestAddress: 0x20_0000n, size: 0x1000n, userAddress: 0x7f00_1000_0000n };

/** Kinds of the messages that were sent: 2 update, 3 invalidate, 5 and 6 around a batch. */
const kinds = (): number[] => standIn.calls.map(({ given }) => (typeof given === 'number' ? -1 : given[33]));

describe('the table by which a device reaches memory', () => {
  it('is written by messages of 72 bytes: type 2, address space, I/O address, size, address, access, kind', async () => {
    await new VdpaIotlb(false).replace(7, [region]);
    const message = packed([
      ['u32', 2],
      ['u32', 0],
      ['u64', 0x10_0000],
      ['u64', 0x2000],
      ['u64', 0x7f00_0000_0000n],
      ['u8', 3],
      ['u8', 2],
    ]);
    expect(standIn.calls).toEqual([
      { fd: 7, request: 0, given: [...message, ...Array.from({ length: 72 - message.length }, () => 0)] },
    ]);
  });

  it('is changed as a whole where the kernel takes batches', async () => {
    await new VdpaIotlb(true).replace(7, [region, other]);
    expect(kinds()).toEqual([5, 2, 2, 6]);
  });

  it('loses the regions of before', async () => {
    const iotlb = new VdpaIotlb(true);
    await iotlb.replace(7, [region, other]);
    standIn.calls.length = 0;
    await iotlb.replace(7, [other]);
    expect(kinds()).toEqual([5, 3, 3, 2, 6]);
  });

  it('ends its batch when a message fails, and remembers what was mapped', async () => {
    const iotlb = new VdpaIotlb(true);
    const write = standIn.writeAsync;
    Object.assign(standIn, {
      writeAsync: (fd: number, message: Uint8Array) =>
        message[10] === 0x20 ? Promise.reject(new Error('no room')) : write(fd, message),
    });
    await expect(iotlb.replace(7, [region, other])).rejects.toThrow('no room');
    expect(kinds()).toEqual([5, 2, 6]);
    standIn.calls.length = 0;
    await iotlb.replace(7, []);
    expect(kinds()).toEqual([5, 3, 6]);
  });
});
