import type { DevicePort } from '@vio/net';
import { LimitedOutput } from '../../limited-output.ts';
import type { Output } from '../../output.ts';

/** Which port something is of; empty where there is one. */
export interface PortLabel {
  /** For a program. */
  readonly data: { readonly port?: number };
  /** For a person, in front of what is said. */
  readonly text: string;
}

export function portLabel(number: number, ports: number): PortLabel {
  return ports === 1 ? { data: {}, text: '' } : { data: { port: number }, text: `port ${number}: ` };
}

/**
 * Tells of a port's link as it changes.
 * @param reconnects the port looks for a backend that went away
 * @param whose in front of what is said, where there are several ports; and their number
 * @returns a signal that aborts when the port is of no use any more, with the reason
 */
export function tellOfLink(
  port: DevicePort,
  output: Output,
  reconnects: boolean,
  { data, text: whose }: PortLabel,
): AbortSignal {
  const failed = new AbortController();
  // Whoever may connect to its socket changes it as often as he likes.
  const limited = new LimitedOutput(output, data, whose);
  port.on('link', ({ up, reason }) => {
    if (port.closed) return;
    if (reason === undefined) {
      limited.record('link', { ...data, up }, `${whose}${up ? 'the link is up' : 'the link is down'}`);
      return;
    }
    const { code, message } = reason;
    if (reconnects && code !== 'VIO_RECONNECT_GIVEN_UP') {
      limited.record(
        'link',
        { ...data, up, code, message },
        `${whose}the backend is gone, looking for it: ${message} (${code})`,
      );
    } else failed.abort(reason);
  });
  port.on('reconnect', (back) => {
    const how = back.resumed ? 'its rings went on' : 'its rings are fresh';
    const text = `${whose}the backend is back after ${(back.downtime / 1000).toFixed(1)} s: ${how}`;
    limited.record('reconnect', { ...data, ...back }, text);
  });
  return failed.signal;
}
