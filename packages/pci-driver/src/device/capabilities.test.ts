import fc from 'fast-check';
import { VioError } from '@vio/native';
import { describe, expect, it } from 'vitest';
import { FakePciDevice, structureCapability, usualCapabilities } from '../test-support/fake-pci-device.ts';
import { readCapabilities } from './capabilities.ts';
import { openVirtioDevice } from './open-device.ts';

const read = (device: FakePciDevice) => readCapabilities(device.config, (index) => device.barSize(index));

function outcome(device: FakePciDevice): string {
  try {
    const { common, notify, isr, device: net } = read(device);
    const inside = [common, notify, isr, net].every(
      (place) => place === undefined || place.offset + place.length <= device.barSize(place.bar),
    );
    return inside ? 'all within their BARs' : 'a structure outside its BAR';
  } catch (error) {
    return VioError.is(error) ? error.code : String(error);
  }
}

describe('a capability list that is broken', () => {
  it.each([
    ['goes in a circle', (view: DataView) => view.setUint8(0x41, 0x40)],
    ['points into the header', (view: DataView) => view.setUint8(0x41, 0x10)],
    ['begins in the header', (view: DataView) => view.setUint8(0x34, 0x04)],
  ])('because it %s is an error by name', (_, breakIt) => {
    const device = new FakePciDevice();
    breakIt(device.config.view);
    expect(() => read(device)).toThrow(expect.objectContaining({ code: 'VIO_PCI_CAPABILITIES' }));
  });

  it('by any bytes at all ends in a list or in an error by name', () => {
    const bytes = fc.uint8Array({ minLength: 192, maxLength: 192 });
    fc.assert(
      fc.property(bytes, fc.integer({ min: 0, max: 255 }), (list, first) => {
        const device = new FakePciDevice();
        for (const [i, byte] of list.entries()) device.config.view.setUint8(0x40 + i, byte);
        device.config.view.setUint8(0x34, first);
        expect(['all within their BARs', 'VIO_PCI_CAPABILITIES']).toContain(outcome(device));
      }),
    );
  });

  it('is not looked at when the device says it has none', () => {
    const device = new FakePciDevice();
    device.config.view.setUint8(0x06, 0);
    expect(read(device)).toMatchObject({
      common: undefined,
      notify: undefined,
      isr: undefined,
      device: undefined,
      msix: undefined,
    });
  });
});

describe('a structure that cannot be used', () => {
  it.each([
    ['reaches out of its BAR', structureCapability(1, 4, 0x3fe0, 0x40), /reach out of the 16384 of BAR 4/],
    ['ends beyond 4 GiB', structureCapability(1, 4, 0xffff_fffc, 0x40), /reach out/],
    ['is in a BAR that is not there', structureCapability(1, 5, 0, 64), /no BAR 5/],
    ['is too short', structureCapability(1, 4, 0, 0x20), /less than the 56/],
    ['is not aligned', structureCapability(1, 4, 2, 64), /not aligned/],
    ['has a capability that is cut off', { id: 9, body: [8, 1, 4, 0, 0, 0] }, /only 8 bytes/],
  ])('because it %s is named, and why', (_, bad, why) => {
    const device = new FakePciDevice({ capabilities: [bad, ...usualCapabilities().slice(0, -1)] });
    expect(() => openVirtioDevice(device)).toThrow(
      expect.objectContaining({ code: 'VIO_PCI_CAPABILITY', message: expect.stringMatching(why) as string }),
    );
  });

  it('has no consequence when another one can be used', () => {
    const bad = structureCapability(1, 5, 0, 64);
    expect(openVirtioDevice(new FakePciDevice({ capabilities: [bad, ...usualCapabilities()] })).modern).toBe(
      true,
    );
  });
});

it('finds MSI-X and the size of its table', () => {
  expect(read(new FakePciDevice()).msix).toEqual({ at: 0x40, vectors: 3 });
});

it('names a BAR that can be reached in no way', () => {
  const device = new FakePciDevice({
    unmappable: [4],
    capabilities: usualCapabilities().filter(({ body }) => body[1] !== 5),
  });
  expect(() => openVirtioDevice(device)).toThrow(expect.objectContaining({ code: 'VIO_PCI_BAR' }));
});
