import { describe, expect, it } from 'vitest';
import { io, ior, iow, iowr } from './ioctl-number.ts';

/** As `strace -v` names them, made by the macros of asm-generic/ioctl.h from linux/vhost.h and linux/if_tun.h. */
describe('ioctl numbers', () => {
  it.each([
    ['VHOST_SET_OWNER', io(0xaf, 0x01), 0x0000_af01],
    ['VHOST_GET_FEATURES', ior(0xaf, 0x00, 8), 0x8008_af00],
    ['VHOST_SET_MEM_TABLE', iow(0xaf, 0x03, 8), 0x4008_af03],
    ['VHOST_SET_VRING_ADDR', iow(0xaf, 0x11, 40), 0x4028_af11],
    ['VHOST_GET_VRING_BASE', iowr(0xaf, 0x12, 8), 0xc008_af12],
    ['VHOST_VDPA_GET_STATUS', ior(0xaf, 0x71, 1), 0x8001_af71],
    ['TUNSETIFF', iow(0x54, 202, 4), 0x4004_54ca],
    ['TUNGETIFF', ior(0x54, 210, 4), 0x8004_54d2],
    ['TUNGETDEVNETNS', io(0x54, 227), 0x0000_54e3],
  ])('%s', (_name, number, expected) => {
    expect(number).toBe(expected);
  });
});
