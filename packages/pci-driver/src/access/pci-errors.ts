import { VioError } from '@vio/native';

/** @param remedy what mends it */
export function pciError(code: string, message: string, remedy: string, cause?: unknown): VioError {
  return new VioError(message, { code, remedy, cause });
}

export function missingBar(address: string, index: number, cause?: unknown): VioError {
  return pciError(
    'VIO_PCI_BAR',
    `BAR ${index} of ${address} cannot be reached`,
    'see lspci -v for its BARs; a memory BAR has to be enabled, and not be in use by a kernel driver',
    cause,
  );
}

export function cannotResetQueues(): VioError {
  return pciError(
    'VIO_FEATURE_MISSING',
    'the device cannot reset a queue (RING_RESET)',
    'reset the whole device: close the port and open it anew',
  );
}

export function deviceGone(address: string, cause?: unknown): VioError {
  return pciError(
    'VIO_DEVICE_GONE',
    `the device ${address} does not answer any more`,
    'it was removed or taken away: close the port, and open it anew when it is back',
    cause,
  );
}

export function needsReset(address: string): VioError {
  return pciError(
    'VIO_PCI_NEEDS_RESET',
    `the device ${address} has failed and asks for a reset (DEVICE_NEEDS_RESET)`,
    'close the port and open it anew, which resets the device; packets under way are lost',
  );
}
