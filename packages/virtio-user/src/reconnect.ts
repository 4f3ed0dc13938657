import { setTimeout as sleep } from 'node:timers/promises';
import { VioError, type WaitOptions } from '@vio/native';
import { type FailedAttempt, type QueuePair, featureNames } from '@vio/net';
import type { DriverQueue } from '@vio/rings';
import type { VhostTransport } from '@vio/vhost';
import type { PortControl } from './control/port-control.ts';
import { type StartPlan, startDevice } from './start.ts';

const firstDelay = 100;

/** How a port that lost its backend looks for it again. */
export interface ReconnectOptions {
  /**
   * Milliseconds before the first attempt, doubled after every one that fails. Default 100; a server, whom the backend
   * looks for, begins to listen at once.
   */
  readonly minDelay?: number;
  /** Milliseconds between two attempts at most. Default 5000. */
  readonly maxDelay?: number;
  /** Attempts before the port gives up. Default: it never does. */
  readonly attempts?: number;
  /**
   * False: rings start afresh with every backend. Default true: where both the old and the new backend can, the rings
   * stay, and the new backend goes on where the old one ended (INFLIGHT_SHMFD).
   */
  readonly inflight?: boolean;
}

/** What reconnecting needs of a port. */
export interface ReconnectParts {
  readonly pairs: readonly QueuePair[];
  readonly control: PortControl;
  readonly mac: () => string;
  /** Reaches the backend, in the role the devargs say. */
  readonly connect: (wait: WaitOptions) => Promise<VhostTransport>;
  readonly options: ReconnectOptions;
  /** Milliseconds for each step of an attempt. */
  readonly timeout: number;
}

/**
 * Looks for the backend until it is there, and starts the device on it anew, with the features of before. Where the old
 * backend noted down what it had in flight, the rings stay, and the new one goes on exactly there. Otherwise they are
 * fresh rings in the same memory, and packets that were on a transmit ring are given up (`TxQueue.lost`): whether the
 * old backend had read them is not known, and none is sent twice.
 * @param onFailed is told of every attempt that fails
 * @returns the plan of the running device
 * @throws VioError VIO_RECONNECT_GIVEN_UP after the last attempt, VIO_ABORTED
 */
export async function reconnect(
  plan: StartPlan,
  parts: ReconnectParts,
  signal: AbortSignal,
  onFailed: (attempt: FailedAttempt) => void = () => {},
): Promise<Restarted & { attempts: number }> {
  const { minDelay = firstDelay, maxDelay = 5000, attempts = Number.POSITIVE_INFINITY } = parts.options;
  let delay = minDelay;
  let cause: unknown;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    await sleep(delay, undefined, { signal, ref: false });
    delay = Math.min(2 * delay || firstDelay, maxDelay);
    try {
      const restarted = await restart(plan, parts, { timeout: parts.timeout, signal });
      return { ...restarted, attempts: attempt };
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

interface Restarted {
  readonly plan: StartPlan;
  /** The rings are those of before. */
  readonly resumed: boolean;
}

async function restart(old: StartPlan, parts: ReconnectParts, wait: WaitOptions): Promise<Restarted> {
  const transport = await parts.connect(wait);
  try {
    await transport.setOwner(wait);
    const offered = await transport.getFeatures(wait);
    // First: a backend with one pair does not offer MQ either, which says less.
    const pairs = await transport.queueNum(wait);
    if (parts.pairs.length > 1 && pairs < parts.pairs.length)
      throw lessThanBefore(`serves ${pairs} queue pairs of ${parts.pairs.length}`);
    const missing = old.features & ~offered;
    if (missing !== 0n) throw lessThanBefore(`does not offer ${featureNames(missing).join(', ')}`);
    const resumed = old.inflight?.canResume(transport) === true && old.rings.every(isSound);
    if (!resumed) startAfresh(old, parts);
    parts.control.ring?.renew();
    const rings = parts.pairs.flatMap((pair) => [pair.rx.queue, pair.tx.queue]);
    const plan = { ...old, transport, rings };
    await startDevice(plan, wait);
    if (resumed) resume(plan, parts);
    await parts.control.begin(transport, parts.mac(), wait);
    for (const { rx } of parts.pairs) rx.fill();
    return { plan, resumed };
  } catch (error) {
    transport.close();
    for (const { tx } of parts.pairs) tx.pause();
    throw error;
  }
}

function isSound({ broken }: DriverQueue): boolean {
  return broken === null;
}

function startAfresh({ events, inflight }: StartPlan, { pairs }: ReconnectParts): void {
  inflight?.[Symbol.dispose]();
  for (const pair of pairs) pair.restart();
  // The old backend's last word was for the old rings.
  for (const event of [...events.kick, ...events.call]) event.drain();
}

/** What either side was about to tell the other when the old backend ended, nobody has told: both have a look. */
function resume({ events }: StartPlan, { pairs }: ReconnectParts): void {
  for (const { tx } of pairs) tx.resume();
  for (const event of [...events.kick, ...events.call]) event.signal();
}

function lessThanBefore(what: string): VioError {
  return new VioError(`the backend that came back ${what}, which the port uses since the one before`, {
    code: 'VIO_RECONNECT_FEATURES',
    remedy: 'give it the configuration of the one before, or open the port again',
  });
}
