import type { Telemetry } from '@vio/net';
import type { TurnTimes } from '../../forward/turn-times.ts';
import { version } from '../../version.ts';
import type { Hello } from '../shared/messages.ts';
import type { Shown } from './hub.ts';

/** What the page of a command shows. @param turns of its own thread, if that forwards */
export function pageOf(
  command: string,
  { pagePackets }: { readonly pagePackets?: true },
  telemetry: Telemetry,
  turns: TurnTimes | undefined,
): Shown {
  return { telemetry, hello: helloOf(command, pagePackets === true), turns };
}

/** What a page says first. @param packets whether they are shown */
export function helloOf(command: string, packets: boolean): Hello {
  const { pid, versions } = process;
  return { command, version, pid, node: versions.node, packets };
}
