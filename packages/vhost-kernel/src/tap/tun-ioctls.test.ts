// What goes to the kernel, byte by byte: linux/if_tun.h, and `struct ifreq` of linux/if.h.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { KernelStandIn, packed } from '../test-support/kernel-stand-in.ts';
import * as interfaces from '../interface/interface-ioctls.ts';
import * as tun from './tun-ioctls.ts';

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

/** A `struct ifreq`: 16 bytes of name, then the value. */
function ifreq(name: string, value: readonly number[]): number[] {
  const bytes = Array.from({ length: 40 }, () => 0);
  for (const [i, byte] of [...Buffer.from(name)].entries()) bytes[i] = byte;
  for (const [i, byte] of value.entries()) bytes[16 + i] = byte;
  return bytes;
}

const number = (value: number): number[] => packed([['u32', value]]);

describe('requests to tun', () => {
  it.each<[string, () => unknown, number, number[] | number]>([
    ['an interface', () => tun.setInterface(7, 'tap0', 0x5102), 0x4004_54ca, ifreq('tap0', [0x02, 0x51])],
    ['persistence', () => tun.setPersistent(7, true), 0x4004_54cb, 1],
    ['an owner', () => tun.setOwner(7, 1000), 0x4004_54cc, 1000],
    ['a group', () => tun.setGroup(7, 1000), 0x4004_54ce, 1000],
    ['offloads', () => tun.setOffloads(7, 0x07), 0x4004_54d0, 7],
    ['a send buffer', () => tun.setSendBuffer(7, 0x7fff_ffff), 0x4004_54d4, number(0x7fff_ffff)],
    ['the size of headers', () => tun.setHeaderBytes(7, 12), 0x4004_54d8, number(12)],
    ['a queue that takes part', () => tun.setQueueAttached(7, true), 0x4004_54d9, ifreq('', [0x00, 0x02])],
    ['a queue that does not', () => tun.setQueueAttached(7, false), 0x4004_54d9, ifreq('', [0x00, 0x04])],
    ['a carrier', () => tun.setCarrier(7, false), 0x4004_54e2, number(0)],
  ])('%s', (_what, request, code, given) => {
    request();
    expect(standIn.take()).toEqual({ fd: 7, request: code, given });
  });

  it('takes the name the kernel gave', () => {
    standIn.answers.push(Uint8Array.from(ifreq('tap17', [])));
    expect(tun.setInterface(7, 'tap%d', 0)).toBe('tap17');
  });

  it('reads name and flags of a descriptor', () => {
    standIn.answers.push(Uint8Array.from(ifreq('an-interface-15', [0x02, 0x55])));
    expect(tun.interfaceOf(7)).toEqual({ name: 'an-interface-15', flags: 0x5502 });
  });
});

describe('requests by name of an interface', () => {
  it.each<[string, () => unknown, number, number[]]>([
    ['flags', () => interfaces.setInterfaceFlags(7, 'tap0', 0x1043), 0x8914, ifreq('tap0', [0x43, 0x10])],
    ['an MTU', () => interfaces.setInterfaceMtu(7, 'tap0', 9000), 0x8922, ifreq('tap0', number(9000))],
    [
      'an address, of the family Ethernet',
      () => interfaces.setInterfaceMac(7, 'tap0', '02:00:00:00:00:fe'),
      0x8924,
      ifreq('tap0', [1, 0, 2, 0, 0, 0, 0, 0xfe]),
    ],
  ])('%s', (_what, request, code, given) => {
    request();
    expect(standIn.take()).toEqual({ fd: 7, request: code, given });
  });

  it('reads an address', () => {
    standIn.answers.push(Uint8Array.from(ifreq('tap0', [1, 0, 2, 0, 0, 0, 0, 0xfe])));
    expect(interfaces.interfaceMac(7, 'tap0')).toBe('02:00:00:00:00:fe');
  });

  it('cuts a name at 15 bytes, so that it ends', () => {
    expect([...interfaces.interfaceRequest('sixteen-letters!')].slice(14, 17)).toEqual([0x73, 0, 0]);
  });
});
