import { linkSpeeds } from '@vio/net';
import {
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
}

const flags: Readonly<Record<string, boolean>> = { '0': false, '1': true };

/**
 * Takes apart `0000:00:04.0,speed=10000,vectorized=1`.
 * @throws VioError VIO_PCI_ADDRESS, VIO_DEVARGS_UNKNOWN_KEY, _SYNTAX, _TWICE, _VALUE; VIO_PCI_VDPA for vdpa=1, which leaves the
 *   device to another driver
 */
export function parsePciDevargs(text: string): PciConfig {
  const { name, values } = splitDevargs(text);
  const config: { -readonly [K in keyof PciConfig]: PciConfig[K] } = {
    address: fullAddress(name),
    speed: undefined,
    vectorized: false,
  };
  for (const [key, value] of values) {
    if (key === 'speed') {
      if (!isSpeedDevarg(Number(value)))
        throw devargValueError(key, value, `one of ${linkSpeeds.join(', ')}`);
      config.speed = speedToReport(Number(value));
    } else if (key === 'vectorized' || key === 'vdpa') {
      const flag = flags[value];
      if (flag === undefined) throw devargValueError(key, value, '0 or 1');
      if (key === 'vectorized') config.vectorized = flag;
      else if (flag) throw vdpaError(config.address);
    } else {
      throw unknownDevarg(key, ['speed', 'vectorized', 'vdpa']);
    }
  }
  return config;
}

function vdpaError(address: string) {
  return pciError(
    'VIO_PCI_VDPA',
    `vdpa=1 leaves ${address} to a vDPA driver`,
    'leave vdpa out to use the device as a port',
  );
}
