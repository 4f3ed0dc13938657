import { VioError, type WaitOptions } from '@vio/native';
import { longestTimer } from '@vio/native/internal';
import type { DriverQueue } from '@vio/rings';
import { featureNames } from '../../feature-bits.ts';
import type { FailedAttempt } from '../../port/port-events.ts';
import type { NetDevice } from '../net-device.ts';
import type { PortReconnect } from '../port-options.ts';
import { type PortLife, startDevice } from './port-life.ts';

const firstDelay = 100;

/** What came of looking for a device. */
export interface Restarted {
  readonly device: NetDevice;
  /** Attempts it took. */
  readonly attempts: number;
  /** The rings are those of before. */
  readonly resumed: boolean;
}

/**
 * Looks for the device until it is there, and starts it anew, with the features of before. Where the old device noted down
 * what it had in flight, the rings stay, and the new one goes on exactly there. Otherwise they are fresh rings in the same
 * memory, and packets that were on a transmit ring are given up (`TxQueue.lost`): whether the old device had read them is
 * not known, and none is sent twice.
 * @param onFailed is told of every attempt that fails
 * @throws VioError VIO_RECONNECT_GIVEN_UP after the last attempt, VIO_ABORTED
 */
export async function reconnect(
  life: PortLife,
  options: PortReconnect,
  mac: () => string,
  signal: AbortSignal,
  onFailed: (attempt: FailedAttempt) => void,
): Promise<Restarted> {
  const { minDelay = firstDelay, maxDelay = 5000, attempts = Number.POSITIVE_INFINITY } = options;
  let delay = minDelay;
  let cause: unknown;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const { setTimeout: sleep } = process.getBuiltinModule('node:timers/promises');
    await sleep(Math.min(delay, longestTimer), undefined, { signal, ref: false });
    delay = Math.min(2 * delay || firstDelay, maxDelay);
    try {
      const wait = { timeout: life.timeout, signal };
      const device = await options.connect(wait);
      return { device, attempts: attempt, resumed: await restart(life, device, mac, wait) };
    } catch (error) {
      if (signal.aborted || !VioError.is(error)) throw error;
      cause = error;
      onFailed({ attempt, reason: error, delay });
    }
  }
  throw new VioError(`the backend did not come back in ${attempts} attempts`, {
    code: 'VIO_RECONNECT_GIVEN_UP',
    remedy: 'start the backend, and open the port again',
    cause,
  });
}

/** @returns whether the rings are those of before */
async function restart(
  life: PortLife,
  device: NetDevice,
  mac: () => string,
  wait: WaitOptions,
): Promise<boolean> {
  const { accepted, pairs, control } = life;
  try {
    const offered = await device.features(wait);
    // First: a device with one pair does not offer MQ either, which says less.
    const most = pairs.length > 1 ? await device.maxPairs(wait) : 1;
    if (most < pairs.length) throw lessThanBefore(`serves ${most} queue pairs of ${pairs.length}`);
    const missing = accepted & ~offered;
    if (missing !== 0n) throw lessThanBefore(`does not offer ${featureNames(missing).join(', ')}`);
    const sound = pairs.every(({ rx, tx }) => isSound(rx.queue) && isSound(tx.queue));
    const resumed = life.inflight?.canResume(device.inflight) === true && sound;
    if (!resumed) startAfresh(life);
    control.ring?.renew();
    await device.accept(accepted, wait);
    await startDevice(life, device, wait);
    if (resumed) resume(life);
    await control.begin(device, mac(), wait);
    for (const { rx } of pairs) rx.fill();
    return resumed;
  } catch (error) {
    device.close();
    for (const { tx } of pairs) tx.pause();
    throw error;
  }
}

function isSound({ broken }: DriverQueue): boolean {
  return broken === undefined;
}

function startAfresh({ events, inflight, pairs }: PortLife): void {
  inflight?.[Symbol.dispose]();
  for (const pair of pairs) pair.restart();
  // The old device's last word was for the old rings.
  for (const event of [...events.kick, ...events.call]) event.drain();
}

/** What either side was about to tell the other when the old device ended, nobody has told: both have a look. */
function resume({ events, pairs }: PortLife): void {
  for (const { tx } of pairs) tx.resume();
  for (const event of [...events.kick, ...events.call]) event.signal();
}

function lessThanBefore(what: string): VioError {
  return new VioError(`the backend that came back ${what}, which the port uses since the one before`, {
    code: 'VIO_RECONNECT_FEATURES',
    remedy: 'give it the configuration of the one before, or open the port again',
  });
}
