import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { deviceNumberOf, statNumberOf } from './device-number.ts';

describe('the number of a device', () => {
  it('has the major and the minor number of /dev/null', () => {
    expect(deviceNumberOf(statSync('/dev/null').rdev)).toEqual({ major: 1, minor: 3 });
  });

  // What makedev of glibc makes of them.
  it.each([
    [0, 0, 0],
    [1, 3, 0x103],
    [10, 238, 0xaee],
    [8, 256, 0x10_0800],
    [0xfff, 0xff, 0xf_ffff],
    [0xfff, 0xf_ffff, 0xffff_ffff],
  ])('%i:%i is %i', (major, minor, number) => {
    expect(statNumberOf({ major, minor })).toBe(number);
    expect(deviceNumberOf(number)).toEqual({ major, minor });
  });
});
