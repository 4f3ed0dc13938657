import type { VioError } from '@vio/native';
import {
  devargFlag,
  devargForms,
  devargInteger,
  devargValueError,
  isSpeedDevarg,
  speedToReport,
  splitDevargs,
  unknownDevarg,
} from '@vio/net/internal';
import { fullAddress } from '../access/sysfs.ts';
import { pciError } from '../access/pci-errors.ts';

/** The device arguments of a PCI port, checked and complete. Names and defaults are DPDK's. */
export interface PciConfig {
  /** As in `0000:00:04.0`. */
  readonly address: string;
  /** Mbit/s to report; undefined: what the device says. */
  readonly speed: number | undefined;
  /** A vectorised path is preferred where one can be used. */
  readonly vectorized: boolean;
  /** The device is kept for vDPA (`PciVdpaDevice`), and no port is opened on it. */
  readonly vdpa: boolean;
}

/**
 * Takes apart `0000:00:04.0,speed=10000,vectorized=1`.
 * @throws VioError VIO_PCI_ADDRESS, VIO_DEVARGS_UNKNOWN_KEY, _SYNTAX, _TWICE, _VALUE
 */
export function parsePciDevargs(text: string): PciConfig {
  const { name, values } = splitDevargs(text);
  const config: { -readonly [K in keyof PciConfig]: PciConfig[K] } = {
    address: fullAddress(name),
    speed: undefined,
    vectorized: false,
    vdpa: false,
  };
  for (const [key, value] of values) {
    if (key === 'speed') {
      const speed = devargInteger(value);
      if (speed === undefined || !isSpeedDevarg(speed)) throw devargValueError(key, value, devargForms.speed);
      config.speed = speedToReport(speed);
    } else if (key === 'vectorized' || key === 'vdpa') {
      const flag = devargFlag(value);
      if (flag === undefined) throw devargValueError(key, value, devargForms.flag);
      config[key] = flag;
    } else {
      throw unknownDevarg(key, ['speed', 'vectorized', 'vdpa']);
    }
  }
  return config;
}

/** A device that is not for ports. */
export function keptForVdpa(address: string): VioError {
  return pciError(
    'VIO_PCI_VDPA',
    `${address} is kept for vDPA (vdpa=1): it works on the rings of others, and has no port`,
    `attach it to a backend (vio backend SOCKET --vdpa ${address}, or PciVdpaDevice), or leave vdpa out`,
  );
}
