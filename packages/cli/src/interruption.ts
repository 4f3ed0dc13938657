import { isatty } from 'node:tty';

/**
 * A signal that aborts when the user or the system wants the program to end: SIGINT, SIGTERM, its terminal has gone (SIGHUP), or nobody
 * reads its output any more. Its reason is the name of the signal. SIGINT or SIGTERM after that ends the process at once; SIGHUP does not,
 * for a terminal that goes sends it once by its shell and once itself. What is said on stderr may be lost: that keeps nobody from
 * working.
 * @param failed is told that output cannot be written for another reason than that nobody reads it; the program ends then as well
 */
export function interruption(failed: (cause: Error) => void): AbortSignal {
  const controller = new AbortController();
  const interrupt = (name: NodeJS.Signals): void => {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    controller.abort(name);
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  process.on('SIGHUP', () => {
    // Whoever listens besides has a meaning of its own for it, as a daemon that reads its configuration anew.
    if (process.listenerCount('SIGHUP') === 1) interrupt('SIGHUP');
  });
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  process.once('exit', () => {
    // A Node before 26 that cannot leave a terminal as it found it aborts. By the signal it ends before that.
    if (!terminals.every((fd) => isatty(fd))) endBySignal('SIGHUP');
  });
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && !controller.signal.aborted) failed(error);
    interrupt('SIGPIPE');
  });
  process.stderr.on('error', () => {});
  return controller.signal;
}

/** Ends the process at once, whoever listens. */
function endBySignal(name: NodeJS.Signals): void {
  process.removeAllListeners(name);
  process.kill(process.pid, name);
}

/** The exit code of a process that such a signal kept from its work, as shells know it; undefined for other reasons. */
export function interruptedExitCode(reason: unknown): number | undefined {
  const numbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGPIPE: 13, SIGTERM: 15 };
  const number = typeof reason === 'string' ? numbers[reason] : undefined;
  return number === undefined ? undefined : 128 + number;
}
