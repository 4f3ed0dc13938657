import type { Output } from '../output.ts';
import type { Forwarder } from './forwarder.ts';
import { RateMeter, formatRates } from './rates.ts';

export interface SessionOptions {
  /** Seconds to run; undefined runs until SIGINT or SIGTERM. */
  readonly duration: number | undefined;
  /** Seconds between two lines of live rates. */
  readonly interval: number;
  /** Ends the session early, with its reason as the result. */
  readonly signal: AbortSignal;
}

/** Runs a forwarder and prints live rates until the time is over, a signal comes, or `signal` aborts. */
export async function runSession(
  forwarder: Forwarder,
  output: Output,
  options: SessionOptions,
): Promise<void> {
  const meter = new RateMeter(forwarder.counts);
  const total = new RateMeter(forwarder.counts);
  const timer = setInterval(() => {
    const rates = meter.sample();
    output.record('rates', rates, formatRates(rates));
  }, options.interval * 1000);
  forwarder.start();
  try {
    await ended(options);
  } finally {
    clearInterval(timer);
    await forwarder.stop();
  }
  const rates = total.sample();
  output.record('total', rates, `total ${formatRates(rates)}`);
  if (options.signal.aborted) throw options.signal.reason;
}

/** Resolves at the end of the duration, on SIGINT or SIGTERM, or when the signal aborts. */
async function ended(options: SessionOptions): Promise<void> {
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      clearTimeout(timeout);
      process.off('SIGINT', finish);
      process.off('SIGTERM', finish);
      resolve();
    };
    const timeout = options.duration === undefined ? undefined : setTimeout(finish, options.duration * 1000);
    process.on('SIGINT', finish);
    process.on('SIGTERM', finish);
    options.signal.addEventListener('abort', finish, { once: true });
    if (options.signal.aborted) finish();
  });
}
