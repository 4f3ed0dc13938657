import { type OptionNames, checkOptions } from '@vio/native/internal';
import type { ServedDevice } from './served-device.ts';
import type { Vring } from '../vring/vring.ts';

/** What `VhostDevice.untilPackets` waits for. */
export interface UntilDevicePacketsOptions {
  /** Rings to wait for. Default: the transmit rings (odd ones) of the pairs in use. */
  readonly queues?: readonly number[];
  /** Ends the wait; it resolves. */
  readonly signal?: AbortSignal | undefined;
}

const optionNames: OptionNames<UntilDevicePacketsOptions> = { queues: true, signal: true };

/**
 * Sleeps until a driver has made buffers available on one of the rings, something about a device's rings changes, or the signal
 * aborts. Kicks are asked for first and the rings looked at again after, so that a packet that comes in between is not slept
 * over; they are off again afterwards.
 * @throws VioError VIO_OPTION_UNKNOWN
 */
export async function untilPackets(
  devices: readonly ServedDevice[],
  options: UntilDevicePacketsOptions,
): Promise<void> {
  checkOptions('untilPackets', options, optionNames);
  const { queues, signal } = options;
  if (signal?.aborted === true || devices.some(({ closed }) => closed)) return;
  const rings = devices.flatMap((device) =>
    queues === undefined ? sending(device) : device.vrings.filter(({ index }) => queues.includes(index)),
  );
  try {
    // Every ring is asked, whatever the ones before it say.
    const waiting = rings.map((vring) => vring.sleep());
    const announced = queues === undefined && devices.some(({ announces }) => announces);
    if (!announced && !waiting.includes(true)) await kicked(devices, rings, signal);
  } finally {
    for (const vring of rings) vring.awake();
  }
}

function sending({ vrings, pairsInUse }: ServedDevice): Vring[] {
  return vrings.filter(({ index }) => index % 2 === 1 && index < 2 * pairsInUse);
}

function kicked(
  devices: readonly ServedDevice[],
  rings: readonly Vring[],
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise<void>((resolve) => {
    const wake = (): void => {
      for (const end of listening) end();
      for (const { changes } of devices) changes.delete(wake);
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const listening = rings.map(({ kicks }) => kicks.listen(wake));
    for (const { changes } of devices) changes.add(wake);
    signal?.addEventListener('abort', wake, { once: true });
  });
}
