import { describe, expect, it } from 'vitest';
import { frameRules } from './frame-options.ts';

describe('the MTU of a port', () => {
  it.each([
    ['what was asked for', 1400, undefined, 1400],
    ['what was asked for when the device allows more', 1400, 9000, 1400],
    ["the device's when nothing was asked for", undefined, 9000, 9000],
    ['no limit when nobody says anything', undefined, undefined, undefined],
    ['no limit when the device has none that a frame could reach', undefined, 65535, undefined],
  ])('is %s', (_, mtu, device, expected) => {
    expect(frameRules(mtu === undefined ? {} : { mtu }, device).mtu).toBe(expected);
  });

  it.each([
    [1501, 1500],
    [67, undefined],
    [9711, undefined],
  ])('of %i is refused where the device has %s', (mtu, device) => {
    expect(() => frameRules({ mtu }, device)).toThrow(expect.objectContaining({ code: 'VIO_MTU' }));
  });
});

describe('VLAN tags', () => {
  it('stay where they are by default', () => {
    expect(frameRules({}, undefined)).toEqual({ vlanStrip: false, vlanInsert: false });
  });

  it('are stripped and inserted on request', () => {
    expect(frameRules({ vlan: { strip: true, insert: true } }, undefined)).toEqual({
      vlanStrip: true,
      vlanInsert: true,
    });
  });
});
