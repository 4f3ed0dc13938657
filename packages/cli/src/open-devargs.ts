import { setTimeout as sleep } from 'node:timers/promises';
import { VioError } from '@vio/native';
import type { DevicePort } from '@vio/net';
import { type OpenOptions, openVirtioUser } from '@vio/virtio-user';
import { completedDevargs, withDevarg } from './options/devargs.ts';

/** Milliseconds between two looks for a backend that is not there. */
const waitInterval = 100;

/** How a command opens a port. */
export interface PortOpening extends OpenOptions {
  /** Queue pairs; default: as the devargs say, else one. */
  readonly pairs?: number | undefined;
}

/** A port that a command has opened, and what to call it. */
export interface NamedPort {
  readonly port: DevicePort;
  /** Path of its backend, or address of its device. */
  readonly name: string;
  /** The port listens, and its backend connects. */
  readonly server: boolean;
}

/** Whether what a command is given names a PCI device: by an address, where others have `key=value` pairs or a path. */
export function namesPciDevice(text: string): boolean {
  const [first] = text.split(',', 1);
  return first.includes(':') && !/[=/]/.test(first);
}

/**
 * Opens the port that somebody has named on the command line.
 * @throws VioError as `openVirtioUser` does, or `openPciPort`
 */
export async function openDevargs(text: string, opening: PortOpening): Promise<NamedPort> {
  const { pairs, ...options } = opening;
  if (namesPciDevice(text)) {
    // Loaded on demand: most ports have a backend.
    const { openPciPort } = await import('@vio/pci-driver');
    // A card has no backend that could come back.
    const { reconnect: _, ...ofCards } = options;
    const port = await openPciPort(text, {
      ...ofCards,
      ...(pairs === undefined ? {} : { queues: pairs }),
    });
    return { port, name: port.address, server: false };
  }
  let devargs = completedDevargs(text);
  if (pairs !== undefined) devargs = withDevarg(devargs, 'queues', pairs);
  const port = await openVirtioUser(devargs, options);
  return { port, name: port.config.path, server: port.config.server };
}

/**
 * The same, as soon as the backend is there.
 * @param onWaiting is told once why it has to wait
 */
export async function openWhenThere(
  text: string,
  options: PortOpening,
  onWaiting: (reason: VioError) => void,
): Promise<NamedPort> {
  for (let told = false; ; told = true) {
    try {
      return await openDevargs(text, options);
    } catch (error) {
      if (!VioError.is(error) || !isAbsence(error, text)) throw error;
      if (!told) onWaiting(error);
    }
    // Who ends the wait is told by the next attempt.
    await sleep(waitInterval, undefined, { signal: options.signal }).catch(() => {});
  }
}

/** Nobody is there: no socket, nobody who listens, or nobody who connects. */
function isAbsence({ code, retryable }: VioError, text: string): boolean {
  if (code === 'VIO_TIMEOUT') return /(^|,)\s*server=1\s*(,|$)/.test(text);
  return retryable && (code === 'VIO_SOCKET_MISSING' || code === 'VIO_SOCKET_REFUSED');
}
