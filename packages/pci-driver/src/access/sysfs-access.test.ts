import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DeviceFiles } from './sysfs.ts';
import { SysfsAccess } from './sysfs-access.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vio-sysfs-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const address = '0000:00:07.0';
const COMMAND_MASTER = 4;
const barBytes = 4096;

/** A card without driver: BAR 0 in IO space, BAR 4 in memory, both plain files. */
function card(iommu?: string) {
  const root = mkdtempSync(join(scratch, 'bus-'));
  const directory = join(root, 'devices', address);
  mkdirSync(directory, { recursive: true });
  const file = (name: string): string => join(directory, name);
  writeFileSync(file('vendor'), '0x1af4\n');
  writeFileSync(file('config'), new Uint8Array(256));
  const line = (size: number, flags: number): string =>
    `0x1000 0x${(0xfff + size).toString(16)} 0x${flags.toString(16)}`;
  const none = '0x0 0x0 0x0';
  writeFileSync(file('resource'), [line(32, 0x101), none, none, none, line(barBytes, 0x200)].join('\n'));
  writeFileSync(file('resource0'), new Uint8Array(32));
  writeFileSync(file('resource4'), new Uint8Array(barBytes));
  if (iommu !== undefined) {
    mkdirSync(file('iommu_group'));
    writeFileSync(file('iommu_group/type'), `${iommu}\n`);
  }
  const access = new SysfsAccess(new DeviceFiles(address, root));
  return { access, root, file, command: () => readFileSync(file('config'))[4] };
}

describe('a device without driver', () => {
  it('is switched on and reaches memory while it is open, and no longer', () => {
    const { access, file, command } = card();
    expect([readFileSync(file('enable'), 'utf8'), command() & COMMAND_MASTER]).toEqual(['1', COMMAND_MASTER]);
    access.close();
    access.close();
    expect([readFileSync(file('enable'), 'utf8'), command() & COMMAND_MASTER]).toEqual(['0', 0]);
  });

  it('is cut off from memory when the process ends with it open', () => {
    const before = process.listeners('exit');
    const { access, command } = card();
    const another = card();
    const [added, ...more] = process.listeners('exit').filter((listener) => !before.includes(listener));
    added(0);
    expect([command() & COMMAND_MASTER, another.command() & COMMAND_MASTER, more]).toEqual([0, 0, []]);
    access.close();
    another.access.close();
    expect(process.listeners('exit')).toEqual(before);
  });

  it('has no interrupts', () => {
    const { access } = card();
    expect(access).toMatchObject({ kind: 'port-io', interrupts: { vectors: 0, line: undefined } });
    access.close();
  });

  it.each([0, 4])('has registers in BAR %i, in IO space or in memory', (bar) => {
    const { access, file } = card();
    access.bar(bar).write(18, 2, 0x1234);
    expect(access.bar(bar).read(18, 2)).toBe(0x1234);
    expect(readFileSync(file(`resource${bar}`)).readUInt16LE(18)).toBe(0x1234);
    access.close();
  });

  it.each([
    [0, 32],
    [4, barBytes],
  ])('has no registers behind the end of BAR %i', (bar, size) => {
    const { access } = card();
    expect(access.barSize(bar)).toBe(size);
    expect(() => access.bar(bar).read(size - 2, 4)).toThrow(
      expect.objectContaining({ code: 'VIO_REGISTER_RANGE' }),
    );
    expect(() => access.bar(bar).write(size, 1, 0)).toThrow(
      expect.objectContaining({ code: 'VIO_REGISTER_RANGE' }),
    );
    access.close();
  });

  it.each([1, 6])('names a BAR that it does not have: %i', (bar) => {
    const { access } = card();
    expect(access.barSize(bar)).toBe(0);
    expect(() => access.bar(bar)).toThrow(expect.objectContaining({ code: 'VIO_PCI_BAR' }));
    access.close();
  });
});

describe('memory for a device that goes by the IOMMU', () => {
  it('cannot be had without VFIO, which programs it', () => {
    const { access } = card('DMA-FQ');
    expect(() => access.allocateDma(4096, false)).toThrow(
      expect.objectContaining({
        code: 'VIO_PCI_DMA',
        remedy: expect.stringContaining('--bind vfio-pci') as string,
      }),
    );
    access.close();
  });
});

it('a device that cannot be opened is switched off again', () => {
  const { access, file, root } = card();
  access.close();
  rmSync(file('config'));
  expect(() => new SysfsAccess(new DeviceFiles(address, root))).toThrow(
    expect.objectContaining({ code: 'VIO_PCI_PERMISSION' }),
  );
  expect(readFileSync(file('enable'), 'utf8')).toBe('0');
});
