import { execFile } from 'node:child_process';

/** Times that a watchdog is told within its time. */
const tellings = 3;

/**
 * Tells systemd how the service does (sd_notify), where it wants to know: `READY=1`, `RELOADING=1`, `STOPPING=1`. Its socket takes
 * datagrams, which Node has not: systemd's own program sends them (NotifyAccess=all).
 */
export function notifySystemd(...state: readonly string[]): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return Promise.resolve();
  // That nobody could be told is no reason to end.
  return new Promise((resolve) => execFile('systemd-notify', state, () => resolve()));
}

/**
 * Tells systemd's watchdog (WatchdogSec) that the event loops of this process still turn, where systemd asks for it.
 * @param turned resolves when every thread has had a turn
 * @returns what ends that
 */
export function watchdog(
  turned: () => Promise<void>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): () => void {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = env;
  const milliseconds = Number(microseconds) / 1000;
  if (!(milliseconds > 0) || (pid !== undefined && Number(pid) !== process.pid)) return () => {};
  // One at a time: a machine that is slow to start programs is not given more of them.
  let telling = false;
  const tell = async (): Promise<void> => {
    if (telling) return;
    telling = true;
    await turned();
    await notifySystemd('WATCHDOG=1');
    telling = false;
  };
  const timer = setInterval(() => void tell(), milliseconds / tellings).unref();
  return () => clearInterval(timer);
}
