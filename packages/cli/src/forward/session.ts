import type { Output } from '../output.ts';
import { type MeteredTraffic, RateMeter, formatRates } from './rates.ts';

export interface SessionOptions {
  /** Seconds to run; undefined runs until it is interrupted. */
  readonly duration: number | undefined;
  /** Seconds between two lines of live rates. */
  readonly interval: number;
  /** Ends the session: somebody wants it to. */
  readonly interrupted: AbortSignal;
  /** Ends the session with its reason as the error. */
  readonly failed: AbortSignal;
}

/** Forwards until it is stopped. */
export interface Forwarding extends MeteredTraffic {
  stop(): Promise<void>;
}

/**
 * Prints live rates until the time is over, or `interrupted` or `failed` aborts.
 * @throws the reason of `failed`
 */
export async function runSession(
  forwarder: Forwarding,
  output: Output,
  options: SessionOptions,
): Promise<void> {
  const meter = new RateMeter(forwarder);
  const total = new RateMeter(forwarder);
  const timer = setInterval(() => {
    const rates = meter.sample();
    output.record('rates', rates, formatRates(rates));
  }, options.interval * 1000);
  try {
    await ended(options);
  } finally {
    clearInterval(timer);
    await forwarder.stop();
  }
  const rates = total.sample();
  output.record('total', rates, `total ${formatRates(rates)}`);
  options.failed.throwIfAborted();
}

/** Resolves at the end of the duration, or when one of the signals aborts. */
async function ended({ duration, interrupted, failed }: SessionOptions): Promise<void> {
  const signal = AbortSignal.any([interrupted, failed]);
  await new Promise<void>((resolve) => {
    const timeout = duration === undefined ? undefined : setTimeout(resolve, duration * 1000);
    const stop = (): void => {
      clearTimeout(timeout);
      resolve();
    };
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
  });
}
