import { fullAddress } from '../access/sysfs.ts';
import { pciError } from '../access/pci-errors.ts';
import { unknownSpeed } from './net-config.ts';

/** The device arguments of a PCI port, checked and complete. Names and defaults are DPDK's. */
export interface PciConfig {
  readonly address: string;
  /** Mbit/s to report; `unknownSpeed`: what the device says. */
  readonly speed: number;
  readonly vectorized: boolean;
}

const speeds = new Set([
  10000,
  20000,
  25000,
  40000,
  50000,
  56000,
  100000,
  200000,
  400000,
  800000,
  unknownSpeed,
]);
const flags: Readonly<Record<string, boolean>> = { '0': false, '1': true };

/**
 * Takes apart `0000:00:04.0,speed=10000,vectorized=1`.
 * @throws VioError VIO_PCI_ADDRESS, VIO_DEVARGS_UNKNOWN_KEY, _TWICE, _VALUE; VIO_PCI_VDPA for vdpa=1, which leaves the
 *   device to another driver
 */
export function parsePciDevargs(text: string): PciConfig {
  const [address = '', ...parts] = text.split(',').map((part) => part.trim());
  const config = { address: fullAddress(address), speed: unknownSpeed, vectorized: false };
  const seen = new Set<string>();
  for (const part of parts) {
    const [key = '', value = ''] = part.split('=', 2);
    if (seen.has(key)) throw bad('TWICE', `the devargs give ${key} twice`, `give ${key} once`);
    seen.add(key);
    if (key === 'speed') {
      config.speed = Number(value);
      if (!speeds.has(config.speed)) throw valueError(part, `speed is one of ${[...speeds].join(', ')}`);
    } else if (key === 'vectorized' || key === 'vdpa') {
      const flag = flags[value];
      if (flag === undefined) throw valueError(part, `${key} is 0 or 1`);
      if (key === 'vectorized') config.vectorized = flag;
      else if (flag) throw vdpaError(config.address);
    } else {
      throw bad(
        'UNKNOWN_KEY',
        `the devargs have an unknown key: ${key}`,
        'the keys are speed, vectorized, vdpa',
      );
    }
  }
  return config;
}

function bad(code: string, message: string, remedy: string) {
  return pciError(`VIO_DEVARGS_${code}`, message, remedy);
}

function valueError(part: string, allowed: string) {
  return bad('VALUE', `the devarg ${part} is out of range`, allowed);
}

function vdpaError(address: string) {
  return pciError(
    'VIO_PCI_VDPA',
    `vdpa=1 leaves ${address} to a vDPA driver`,
    'leave vdpa out to use the device as a port',
  );
}
