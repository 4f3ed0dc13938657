// `vio devbind` on a PCI bus of files; on a real one it runs in test/vm.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fakePciBus, scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { jsonLines, vio } from './vio.ts';

const scratch = scratchDirectory('devbind');

const card = '0000:00:07.0';

/** A network card with the kernel's driver, a disk without, and a card of another vendor. */
const bus = (): string =>
  fakePciBus(scratch, {
    [card]: { driver: 'virtio-pci', interface: 'vio-test9' },
    '0000:00:08.0': { id: '0x1001' },
    '0000:00:09.0': { vendor: '0x8086', id: '0x100e' },
  });

describe('--status', () => {
  it('lists the virtio devices, their drivers and the unused ones', async () => {
    const { exitCode, stdout, stderr } = await vio('devbind', '--status', '--sysfs', bus());
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout.trimEnd().split('\n')).toEqual([
      `${card} network, modern (1af4:1041); driver virtio-pci; interface vio-test9; unused vfio-pci`,
      '0000:00:08.0 block, transitional (1af4:1001); driver none; unused virtio-pci, vfio-pci',
    ]);
  });

  it('is what the command does without an option, for the addresses given', async () => {
    const ended = await vio('devbind', '00:07.0', '--json', '--sysfs', bus());
    expect(jsonLines(ended)).toEqual([
      {
        type: 'pci-device',
        address: card,
        deviceId: 0x1041,
        kind: 'network',
        transitional: false,
        driver: 'virtio-pci',
        interfaces: ['vio-test9'],
        inUse: false,
        unused: ['vfio-pci'],
      },
    ]);
  });
});

describe('--bind and --unbind', () => {
  it('take a device away from its driver', async () => {
    const root = bus();
    const ended = await vio('devbind', '--unbind', card, '--json', '--sysfs', root);
    expect(jsonLines(ended)).toEqual([
      { type: 'bound', address: card, driver: null, previous: 'virtio-pci' },
    ]);
    expect(readFileSync(join(root, 'drivers/virtio-pci/unbind'), 'utf8')).toBe(card);
  });

  it('do nothing where there is nothing to do', async () => {
    const { exitCode, stdout } = await vio('devbind', '--bind', 'virtio-pci', card, '--sysfs', bus());
    expect([exitCode, stdout]).toEqual([0, `${card} has virtio-pci already\n`]);
  });

  it.each([
    ['a driver that is not loaded', ['--bind', 'uio_pci_generic', card], 'VIO_PCI_NO_DRIVER', 'modprobe'],
    ['a driver that does not take it', ['--bind', 'vfio-pci', card], 'VIO_PCI_BIND', 'IOMMU'],
    ['a device that is not there', ['--unbind', '00:1f.0'], 'VIO_PCI_MISSING', 'lspci'],
    ['another vendor’s device', ['--unbind', '00:09.0'], 'VIO_PCI_NOT_VIRTIO', '--status'],
    ['no address at all', ['--unbind', 'eth0'], 'VIO_PCI_ADDRESS', '0000:00:04.0'],
  ])('say what to do about %s', async (_, args, code, remedy) => {
    const { exitCode, stderr } = await vio('devbind', ...args, '--sysfs', bus());
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(code)]);
    expect(stderr).toContain(remedy);
  });

  it('touch no device when one of the addresses is wrong', async () => {
    const root = bus();
    await vio('devbind', '--unbind', card, '00:1f.0', '--sysfs', root);
    expect(() => readFileSync(join(root, 'drivers/virtio-pci/unbind'))).toThrow(/ENOENT/);
  });
});

describe('wrong usage', () => {
  it.each([[['--unbind']], [['--bind', 'vfio-pci']], [['--unbind', '--status', card]]])(
    'ends with 2: %j',
    async (args) => {
      const { exitCode, stderr } = await vio('devbind', ...args);
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining('VIO_CLI_USAGE')]);
    },
  );
});
