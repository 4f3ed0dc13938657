import { VioError } from '@vio/native';

/** How a device's requests are carried out. */
export interface CryptoOptions {
  /** Sessions that may be open at a time, at least 1. Default 1024. */
  readonly maxSessions?: number;
  /** Bytes that one request may bring, and have written, at most: 1 byte to 1 GiB. Default 1 MiB. */
  readonly maxDataBytes?: number;
}

const defaultSessions = 1024;
const defaultDataBytes = 2 ** 20;
const largestDataBytes = 2 ** 30;

/** Sessions that may be open at a time. @throws VioError VIO_OPTION_VALUE */
export function mostSessions({ maxSessions = defaultSessions }: CryptoOptions): number {
  if (maxSessions >= 1) return maxSessions;
  throw outOfRange('maxSessions', maxSessions, 'a number from 1 on');
}

/** Bytes that one request may bring. @throws VioError VIO_OPTION_VALUE */
export function mostDataBytes({
  maxDataBytes = defaultDataBytes,
}: Pick<CryptoOptions, 'maxDataBytes'>): number {
  if (Number.isInteger(maxDataBytes) && maxDataBytes >= 1 && maxDataBytes <= largestDataBytes)
    return maxDataBytes;
  throw outOfRange('maxDataBytes', maxDataBytes, `a whole number from 1 to ${largestDataBytes}`);
}

function outOfRange(name: string, value: number, range: string): VioError {
  return new VioError(`a crypto device cannot have a ${name} of ${value}`, {
    code: 'VIO_OPTION_VALUE',
    remedy: `give ${range}`,
  });
}
