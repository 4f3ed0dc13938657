import { execFile } from 'node:child_process';

/**
 * Tells systemd how the service does (sd_notify), where it wants to know: `READY=1`, `RELOADING=1`, `STOPPING=1`. Its socket takes
 * datagrams, which Node has not: systemd's own program sends them (NotifyAccess=all).
 */
export function notifySystemd(...state: readonly string[]): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return Promise.resolve();
  // That nobody could be told is no reason to end.
  return new Promise((resolve) => execFile('systemd-notify', state, () => resolve()));
}
