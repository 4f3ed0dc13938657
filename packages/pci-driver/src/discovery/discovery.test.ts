import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FakeCard, fakePciBus, scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { DeviceFiles } from '../access/sysfs.ts';
import { bindDevice, loadedDrivers, unbindDevice } from './bind.ts';
import { describeDevice, listVirtioDevices } from './devices.ts';

const scratch = scratchDirectory('pci');

function bus(cards: Readonly<Record<string, FakeCard>>, inUse: readonly string[] = []) {
  const root = fakePciBus(scratch, cards);
  return { root, options: { root, inUse: new Set(inUse) } };
}

describe('discovery', () => {
  it('lists virtio devices by address, with type, driver and interfaces, and nothing else', () => {
    const { options } = bus({
      '0000:00:07.0': { id: '0x1000', driver: 'virtio-pci', interface: 'eth0' },
      '0000:00:03.0': {},
      '0000:00:02.0': { vendor: '0x8086' },
      '0000:00:01.0': { id: '0x1100' },
    });
    expect(listVirtioDevices(options)).toEqual([
      {
        address: '0000:00:03.0',
        deviceId: 0x1041,
        type: 1,
        transitional: false,
        driver: undefined,
        interfaces: [],
        inUse: false,
      },
      {
        address: '0000:00:07.0',
        deviceId: 0x1000,
        type: 1,
        transitional: true,
        driver: 'virtio-pci',
        interfaces: ['eth0'],
        inUse: false,
      },
    ]);
  });

  it.each([
    ['eth0', true],
    ['eth9', false],
  ])('says whether an interface of a device is in use: %s', (name, inUse) => {
    const { options } = bus({ '0000:00:07.0': { interface: name } }, ['eth0']);
    expect(describeDevice('00:07.0', options)).toMatchObject({ inUse });
  });

  it('knows the drivers that a device can have', () => {
    const { options } = bus({});
    expect(loadedDrivers(options)).toEqual(['virtio-pci', 'vfio-pci']);
  });

  it('refuses an option that there is not', () => {
    const { options } = bus({ '0000:00:07.0': { interface: 'eth0' } });
    const misspelt = { ...options, rot: '/' };
    const unknown = expect.objectContaining({ code: 'VIO_OPTION_UNKNOWN' });
    expect(() => describeDevice('00:07.0', misspelt)).toThrow(unknown);
    expect(() => loadedDrivers(misspelt)).toThrow(unknown);
  });

  it('names a device that is not there', () => {
    const { options } = bus({});
    expect(() => describeDevice('00:07.0', options)).toThrow(
      expect.objectContaining({ code: 'VIO_PCI_MISSING' }),
    );
  });
});

describe('binding', () => {
  const held = { '0000:00:07.0': { driver: 'virtio-pci', interface: 'eth0' } };

  it.each([[() => bindDevice], [() => unbindDevice]])('refuses an interface in use', (which) => {
    const { root, options } = bus(held, ['eth0']);
    const attempt =
      which() === bindDevice
        ? () => bindDevice('00:07.0', 'vfio-pci', options)
        : () => unbindDevice('00:07.0', options);
    expect(attempt).toThrow(expect.objectContaining({ code: 'VIO_PCI_IN_USE' }));
    expect(() => readFileSync(join(root, 'drivers/virtio-pci/unbind'))).toThrow(/ENOENT/);
  });

  it('takes an interface in use by force', () => {
    const { root, options } = bus(held, ['eth0']);
    expect(unbindDevice('00:07.0', { ...options, force: true })).toBe('virtio-pci');
    expect(readFileSync(join(root, 'drivers/virtio-pci/unbind'), 'utf8')).toBe('0000:00:07.0');
  });

  it('does nothing for a device that has the driver, or none to be taken', () => {
    const { options } = bus({ ...held, '0000:00:08.0': {} }, ['eth0']);
    expect(bindDevice('00:07.0', 'virtio-pci', options)).toBe('virtio-pci');
    expect(unbindDevice('00:08.0', options)).toBe(undefined);
  });

  it('refuses a driver that the kernel does not have before it takes the device away', () => {
    const { root, options } = bus(held);
    expect(() => bindDevice('00:07.0', 'uio_pci_generic', options)).toThrow(
      expect.objectContaining({ code: 'VIO_PCI_NO_DRIVER' }),
    );
    expect(() => readFileSync(join(root, 'drivers/virtio-pci/unbind'))).toThrow(/ENOENT/);
  });

  it.each(['../../evil', '..', '.', '', 'a/b', '/etc', 'vfio-pci/../x', 'a\nb', 'a\0b'])(
    'refuses the name %j, which would lead out of the drivers, before it touches anything',
    (driver) => {
      const { root, options } = bus(held);
      mkdirSync(join(root, '../evil'), { recursive: true });
      expect(() => bindDevice('00:07.0', driver, options)).toThrow(
        expect.objectContaining({ code: 'VIO_PCI_DRIVER_NAME' }),
      );
      expect(() => readFileSync(join(root, 'drivers/virtio-pci/unbind'))).toThrow(/ENOENT/);
      expect(readdirSync(join(root, '../evil'))).toEqual([]);
      rmSync(join(root, '../evil'), { recursive: true });
    },
  );

  it('refuses what is no virtio device', () => {
    const { options } = bus({ '0000:00:07.0': { vendor: '0x8086' } });
    expect(() => bindDevice('00:07.0', 'vfio-pci', options)).toThrow(
      expect.objectContaining({ code: 'VIO_PCI_NOT_VIRTIO' }),
    );
  });

  it('gives the device back to its driver when the new one does not take it', () => {
    const { root, options } = bus(held);
    expect(() => bindDevice('00:07.0', 'vfio-pci', options)).toThrow(
      expect.objectContaining({
        code: 'VIO_PCI_BIND',
        message: expect.stringMatching(/went back to virtio-pci/) as string,
      }),
    );
    const written = (path: string) => readFileSync(join(root, path), 'utf8');
    expect(written('drivers/vfio-pci/bind')).toBe('0000:00:07.0');
    expect(written('devices/0000:00:07.0/driver_override')).toBe('\n');
    expect(written('drivers/virtio-pci/bind')).toBe('0000:00:07.0');
  });
});

describe('the files of a device', () => {
  it('tell size and space of its BARs', () => {
    const { root } = bus({ '0000:00:07.0': {} });
    writeFileSync(
      join(root, 'devices/0000:00:07.0/resource'),
      [
        '0x000000000000c000 0x000000000000c01f 0x0000000000040101',
        '0x00000000febd1000 0x00000000febd1fff 0x0000000000040200',
        '0x0000000000000000 0x0000000000000000 0x0000000000000000',
      ].join('\n'),
    );
    expect(new DeviceFiles('00:07.0', root).bars).toEqual([
      { size: 32, io: true },
      { size: 4096, io: false },
      { size: 0, io: false },
    ]);
  });
});
