import { readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { quoted } from '@vio/native/internal';
import { pciError } from './pci-errors.ts';

/** Where the kernel tells of PCI; tests have one of their own. */
export const sysfsRoot = '/sys/bus/pci';

/** @returns `0000:00:04.0` for `00:04.0` too. @throws VioError VIO_PCI_ADDRESS */
export function fullAddress(address: string): string {
  const found = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i.exec(address);
  if (found === null) {
    throw pciError(
      'VIO_PCI_ADDRESS',
      `${quoted(address)} is not the address of a PCI device`,
      'give it as in 0000:00:04.0 or 00:04.0; lspci -D lists them',
    );
  }
  return `${found[1] ?? '0000'}:${found[2]}`.toLowerCase();
}

/** The files of one device. */
export class DeviceFiles {
  readonly address: string;
  readonly directory: string;

  /** @throws VioError VIO_PCI_ADDRESS, VIO_PCI_MISSING */
  constructor(address: string, root = sysfsRoot) {
    this.address = fullAddress(address);
    this.directory = join(root, 'devices', this.address);
    if (this.text('vendor') !== undefined) return;
    throw pciError(
      'VIO_PCI_MISSING',
      `there is no PCI device ${this.address}`,
      'look for it with lspci -D; echo 1 > /sys/bus/pci/rescan finds devices that were plugged in later',
    );
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** A file without its newline; undefined when it cannot be read. */
  text(name: string): string | undefined {
    try {
      return readFileSync(this.path(name), 'utf8').trim();
    } catch {
      return undefined;
    }
  }

  number(name: string): number {
    return Number(this.text(name) ?? Number.NaN);
  }

  /** @throws Node's error */
  write(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }

  /** The last part of what a link points to; undefined when there is none. */
  link(name: string): string | undefined {
    try {
      return basename(readlinkSync(this.path(name)));
    } catch {
      return undefined;
    }
  }

  /** Names in a directory; empty when there is none. */
  names(directory: string): string[] {
    try {
      return readdirSync(this.path(directory));
    } catch {
      return [];
    }
  }

  /** The kernel driver it is bound to, or undefined. */
  get driver(): string | undefined {
    return this.link('driver');
  }

  /** BARs 0 to 5, as the file `resource` lists them. */
  get bars(): Bar[] {
    const lines = (this.text('resource') ?? '').split('\n').slice(0, 6);
    return lines.map((line) => {
      const [start = 0n, end = 0n, flags = 0n] = line
        .split(' ')
        .map((word) => BigInt(word === '' ? 0 : word));
      return { size: end === 0n ? 0 : Number(end - start + 1n), io: (flags & 0x100n) !== 0n };
    });
  }
}

export interface Bar {
  /** Bytes, 0: the device has none of this number. */
  readonly size: number;
  /** In IO space, not in memory. */
  readonly io: boolean;
}
