import { checkOptions } from '@vio/native/internal';
import { type VhostDevice, servedSide } from '../device/vhost-device.ts';
import { vhostError } from '../errors/vhost-error.ts';
import type { CryptoEngine, CryptoOperation } from './crypto-engine.ts';
import type { CryptoOptions } from './crypto-options.ts';
import { type CryptoCounts, VhostCrypto, performAll } from './vhost-crypto.ts';

const engines = new WeakMap<VhostDevice, VhostCrypto>();

/**
 * Gives a device a crypto engine: from now on its frontend can open sessions (CREATE_CRYPTO_SESSION). For the callback newConnection, or
 * newDevice at the latest; it ends with the connection, or by `cryptoFree`.
 * @throws VioError VIO_VHOST_STATE when it has one, VIO_OPTION_UNKNOWN, VIO_OPTION_VALUE
 */
export function cryptoCreate(device: VhostDevice, engine: CryptoEngine, options: CryptoOptions = {}): void {
  checkOptions('cryptoCreate', options, { maxSessions: true, maxDataBytes: true });
  if (engines.has(device)) throw vhostError('STATE', 'the device has a crypto engine already');
  const crypto = new VhostCrypto(engine, options);
  engines.set(device, crypto);
  servedSide(device).attached.attach(crypto, VhostCrypto.requests);
}

/** Takes a device's crypto engine away, if it has one: its sessions are closed. What was fetched can still be finalized. */
export function cryptoFree(device: VhostDevice): void {
  const crypto = engines.get(device);
  if (crypto === undefined) return;
  engines.delete(device);
  servedSide(device).attached.detach(crypto);
  crypto.end();
}

/**
 * Whether operations that are fetched from now on work in the driver's memory, as they do where source and destination are the same
 * or have nothing in common; the others have copies. Default: all have copies. An engine that carries operations out
 * later, and not before the device stops (`destroyDevice`), writes to memory that may be somebody else's by then.
 * @throws VioError VIO_VHOST_STATE when the device has no crypto engine
 */
export function cryptoSetZeroCopy(device: VhostDevice, zeroCopy: boolean): void {
  of(device).zeroCopy = zeroCopy;
}

/**
 * Takes up to `max` requests, and 32 at most, from a data queue of a device. A request that makes no sense is answered at once, with
 * BADMSG, NOTSUPP or INVSESS, and is not among them. None are taken while those of 64 calls, or copies of 64 MiB, are under way.
 * @throws VioError VIO_VHOST_STATE when the device has no crypto engine
 */
export function cryptoFetchRequests(device: VhostDevice, queue: number, max = 32): CryptoOperation[] {
  const ring = device.rawVring(queue);
  const crypto = of(device);
  return ring === undefined || max < 1 ? [] : crypto.fetch(ring, max);
}

/**
 * Carries operations out by the engines of their sessions, and sets the status of each.
 * @returns undefined: all are done; else a promise of when they are, which never rejects
 */
export function cryptoPerform(operations: readonly CryptoOperation[]): Promise<void> | undefined {
  return performAll(operations);
}

/**
 * Gives operations back to their drivers, each with its status, in any order: results are written where they belong, and drivers are
 * called. Those of a ring that has stopped since, or that were given back before, go nowhere.
 * @returns how many there were that had not been given back
 */
export function cryptoFinalizeRequests(
  operations: readonly CryptoOperation[],
  from = 0,
  count = operations.length - from,
): number {
  return VhostCrypto.finalize(operations, from, count);
}

/** What a device with a crypto engine has done. @throws VioError VIO_VHOST_STATE when it has none */
export function cryptoStats(device: VhostDevice): CryptoCounts {
  return of(device).counts;
}

function of(device: VhostDevice): VhostCrypto {
  const crypto = engines.get(device);
  if (crypto === undefined)
    throw vhostError('STATE', 'the device has no crypto engine: cryptoCreate gives it one');
  return crypto;
}
