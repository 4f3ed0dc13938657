import { VioError } from '@vio/native';
import { linkSpeeds } from './link-speed.ts';

/** A device-argument string taken apart: its driver's name or address, and its keys, as written. */
export interface Devargs {
  /** `net_virtio_user0`, `0000:00:04.0`; empty when the string begins with a key. */
  readonly name: string;
  /** Value by key. */
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Takes apart `net_virtio_user0,path=/tmp/vhost.sock,queues=2` or `0000:00:04.0,speed=10000`, as DPDK does.
 * @throws VioError VIO_DEVARGS_SYNTAX, VIO_DEVARGS_TWICE
 */
export function splitDevargs(text: string): Devargs {
  const parts = text.split(',').map((part) => part.trim());
  const first = parts[0] ?? '';
  const name = first.includes('=') ? '' : first;
  const values = new Map<string, string>();
  for (const part of name === '' ? parts : parts.slice(1)) {
    const at = part.indexOf('=');
    if (at < 1) {
      throw devargsError(
        'SYNTAX',
        `"${part}" in the devargs is not of the form key=value`,
        'separate key=value pairs by commas, without empty ones',
      );
    }
    const key = part.slice(0, at);
    if (values.has(key)) throw devargsError('TWICE', `the devargs give ${key} twice`, `give ${key} once`);
    values.set(key, part.slice(at + 1));
  }
  return { name, values };
}

/** What flags and speeds take in every device's devargs, for the remedy of an error. */
export const devargForms = { flag: '0 or 1', speed: `one of ${linkSpeeds.join(', ')}` } as const;

/** A flag as it stands in devargs. @returns undefined: it is neither `0` nor `1` */
export function devargFlag(text: string): boolean | undefined {
  return text === '1' ? true : text === '0' ? false : undefined;
}

/**
 * An integer as it stands in devargs. DPDK reads it with base 0, so hexadecimal is welcome (`0x400`).
 * @returns undefined: it is something else, as `1e4`, `-1` and nothing are
 */
export function devargInteger(text: string): number | undefined {
  return /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : undefined;
}

/** @param allowed what the key takes, as in `0 or 1` */
export function devargValueError(key: string, value: unknown, allowed: string): VioError {
  return devargsError('VALUE', `the devarg ${key}=${String(value)} is out of range`, `${key} is ${allowed}`);
}

/** @param keys those there are */
export function unknownDevarg(key: string, keys: readonly string[]): VioError {
  return devargsError(
    'UNKNOWN_KEY',
    `the devargs have an unknown key: ${key}`,
    `the keys are ${keys.join(', ')}`,
  );
}

function devargsError(code: string, message: string, remedy: string): VioError {
  return new VioError(message, { code: `VIO_DEVARGS_${code}`, remedy });
}
