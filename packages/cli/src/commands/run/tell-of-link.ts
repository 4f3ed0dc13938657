import type { DevicePort } from '@vio/net';
import type { Output } from '../../output.ts';

/**
 * Tells of a port's link as it changes.
 * @param reconnects the port looks for a backend that went away
 * @returns a signal that aborts when the port is of no use any more, with the reason
 */
export function tellOfLink(port: DevicePort, output: Output, reconnects: boolean): AbortSignal {
  const failed = new AbortController();
  port.on('link', ({ up, reason }) => {
    if (port.closed) return;
    if (reason === undefined) {
      output.record('link', { up }, up ? 'the link is up' : 'the link is down');
      return;
    }
    const { code, message } = reason;
    if (reconnects && code !== 'VIO_RECONNECT_GIVEN_UP') {
      output.record(
        'link',
        { up, code, message },
        `the backend is gone, looking for it: ${message} (${code})`,
      );
    } else failed.abort(reason);
  });
  port.on('reconnect', (back) => {
    const how = back.resumed ? 'its rings went on' : 'its rings are fresh';
    const text = `the backend is back after ${(back.downtime / 1000).toFixed(1)} s: ${how}`;
    output.record('reconnect', back, text);
  });
  return failed.signal;
}
