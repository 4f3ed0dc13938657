// What goes to vhost-vdpa, byte by byte: linux/vhost.h.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { KernelStandIn, packed } from '../test-support/kernel-stand-in.ts';
import * as vdpa from './vdpa-ioctls.ts';

const kernel = vi.hoisted(() => ({ current: undefined as KernelStandIn | undefined }));
vi.mock('@vio/native/internal', async (original) => ({
  ...(await original<object>()),
  ioctlAsync: (...call: Parameters<KernelStandIn['ioctlAsync']>) => kernel.current?.ioctlAsync(...call),
}));

let standIn: KernelStandIn;
beforeEach(() => {
  standIn = new KernelStandIn();
  kernel.current = standIn;
});

const pair = (ring: number, value: number): number[] =>
  packed([
    ['u32', ring],
    ['u32', value],
  ]);

describe('requests to vhost-vdpa', () => {
  it.each<[string, () => Promise<unknown>, number, number[]]>([
    ['own', () => vdpa.setOwner(7), 0xaf01, []],
    ['features', () => vdpa.setFeatures(7, 0x7_0000_0020n), 0x4008_af00, packed([['u64', 0x7_0000_0020n]])],
    ['backend features', () => vdpa.setBackendFeatures(7, 6n), 0x4008_af25, packed([['u64', 6]])],
    ['a status, of one byte', () => vdpa.setStatus(7, 15), 0x4001_af72, [15]],
    ['a ring of 256', () => vdpa.setVringNum(7, 3, 256), 0x4008_af10, pair(3, 256)],
    ['a packed base', () => vdpa.setVringBase(7, 3, 0x8000_8000), 0x4008_af12, pair(3, 0x8000_8000)],
    ['an enabled ring', () => vdpa.setVringEnable(7, 3, true), 0x4008_af75, pair(3, 1)],
    ['a disabled ring', () => vdpa.setVringEnable(7, 3, false), 0x4008_af75, pair(3, 0)],
    ['a kick', () => vdpa.setVringEvent(7, 'kick', 3, 12), 0x4008_af20, pair(3, 12)],
    ['an eventfd for the configuration', () => vdpa.setConfigCall(7, 12), 0x4004_af77, packed([['u32', 12]])],
    ['suspend', () => vdpa.suspend(7), 0xaf7d, []],
    [
      'where a ring is: flags, descriptors, device, driver, log',
      () => vdpa.setVringAddr(7, 2, { descriptors: 0x1000, driver: 0x2000, device: 0x3000 }),
      0x4028_af11,
      packed([
        ['u32', 2],
        ['u32', 0],
        ['u64', 0x1000],
        ['u64', 0x3000],
        ['u64', 0x2000],
        ['u64', 0],
      ]),
    ],
  ])('%s', async (_what, request, number, given) => {
    await request();
    expect(standIn.take()).toEqual({ fd: 7, request: number, given });
  });
});

describe('answers of vhost-vdpa', () => {
  it('are numbers of their own widths', async () => {
    standIn.answers.push(Uint8Array.of(1), Uint8Array.of(0, 1), Uint8Array.of(15));
    expect([await vdpa.getDeviceId(7), await vdpa.getMaxRingSize(7), await vdpa.getStatus(7)]).toEqual([
      1, 256, 15,
    ]);
    expect(standIn.calls.map(({ given }) => (typeof given === 'number' ? -1 : given.length))).toEqual([
      4, 2, 1,
    ]);
  });

  it('are the first and the last address it reaches', async () => {
    standIn.answers.push(
      Uint8Array.from(
        packed([
          ['u64', 0x1000],
          ['u64', 0xffff_ffff_ffff_ffffn],
        ]),
      ),
    );
    expect(await vdpa.getIovaRange(7)).toEqual({ first: 0x1000n, last: 0xffff_ffff_ffff_ffffn });
  });

  it('are so many bytes of the configuration as there are: offset, length, bytes', async () => {
    standIn.answers.push(Uint8Array.of(8), Uint8Array.of(0, 0, 0, 0, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8));
    expect([...(await vdpa.getConfig(7, 12))]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(standIn.take()).toEqual({
      fd: 7,
      request: 0x8008_af73,
      given: [...pair(0, 8), ...Array.from({ length: 8 }, () => 0)],
    });
  });
});
