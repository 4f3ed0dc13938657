// What goes to the kernel, byte by byte: structures of linux/vhost_types.h, requests of linux/vhost.h.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { KernelStandIn, packed } from '../test-support/kernel-stand-in.ts';
import * as vhost from './vhost-ioctls.ts';

const kernel = vi.hoisted(() => ({ current: undefined as KernelStandIn | undefined }));
vi.mock('@vio/native', async (original) => ({
  ...(await original<object>()),
  ioctl: (...call: Parameters<KernelStandIn['ioctl']>) => kernel.current?.ioctl(...call),
}));

let standIn: KernelStandIn;
beforeEach(() => {
  standIn = new KernelStandIn();
  kernel.current = standIn;
});

describe('requests to vhost-net', () => {
  it.each<[string, () => unknown, number, number[] | number]>([
    ['own', () => vhost.setOwner(7), 0xaf01, 0],
    ['features', () => vhost.setFeatures(7, 0x1_3000_8000n), 0x4008_af00, packed([['u64', 0x1_3000_8000n]])],
    [
      'a ring of 256',
      () => vhost.setVringNum(7, 1, 256),
      0x4008_af10,
      packed([
        ['u32', 1],
        ['u32', 256],
      ]),
    ],
    [
      'a ring that starts at 40000',
      () => vhost.setVringBase(7, 0, 40_000),
      0x4008_af12,
      packed([
        ['u32', 0],
        ['u32', 40_000],
      ]),
    ],
    [
      'where a ring is: flags, descriptors, used, avail, log',
      () => vhost.setVringAddr(7, 1, { descriptors: 0x1000n, avail: 0x2000n, used: 0x7fff_1234_5000n }),
      0x4028_af11,
      packed([
        ['u32', 1],
        ['u32', 0],
        ['u64', 0x1000],
        ['u64', 0x7fff_1234_5000n],
        ['u64', 0x2000],
        ['u64', 0],
      ]),
    ],
    [
      'no kick',
      () => vhost.setVringEvent(7, 'kick', 0, undefined),
      0x4008_af20,
      packed([
        ['u32', 0],
        ['u32', 0xffff_ffff],
      ]),
    ],
    [
      'a call',
      () => vhost.setVringEvent(7, 'call', 1, 12),
      0x4008_af21,
      packed([
        ['u32', 1],
        ['u32', 12],
      ]),
    ],
    [
      'an error eventfd',
      () => vhost.setVringEvent(7, 'err', 1, 12),
      0x4008_af22,
      packed([
        ['u32', 1],
        ['u32', 12],
      ]),
    ],
    [
      'a tap',
      () => vhost.setBackend(7, 1, 9),
      0x4008_af30,
      packed([
        ['u32', 1],
        ['u32', 9],
      ]),
    ],
    [
      'memory: count, padding, then guest address, size, user address and flags of each region',
      () =>
        vhost.setMemTable(7, [
          { guestAddress: 0n, size: 4096n, userAddress: 0x7f00_0000_0000n },
          { guestAddress: 0x10_0000n, size: 8192n, userAddress: 0x7f00_1000_0000n },
        ]),
      0x4008_af03,
      packed([
        ['u32', 2],
        ['u32', 0],
        ['u64', 0],
        ['u64', 4096],
        ['u64', 0x7f00_0000_0000n],
        ['u64', 0],
        ['u64', 0x10_0000],
        ['u64', 8192],
        ['u64', 0x7f00_1000_0000n],
        ['u64', 0],
      ]),
    ],
  ])('%s', (_what, request, number, given) => {
    request();
    expect(standIn.take()).toEqual({ fd: 7, request: number, given });
  });

  it('reads features', () => {
    standIn.answers.push(Uint8Array.from(packed([['u64', 0x1_3000_8000n]])));
    expect(vhost.getFeatures(7)).toBe(0x1_3000_8000n);
  });

  it('reads where a ring stopped', () => {
    standIn.answers.push(
      Uint8Array.from(
        packed([
          ['u32', 1],
          ['u32', 65_535],
        ]),
      ),
    );
    expect(vhost.getVringBase(7, 1)).toBe(65_535);
  });
});
