import type { Telemetry } from '@vio/net';
import type { TurnTimes } from '../../forward/turn-times.ts';
import { version } from '../../version.ts';
import type { Shown } from './hub.ts';

/** What the page of a command shows. @param turns of its own thread, if that forwards */
export function pageOf(
  command: string,
  { pagePackets }: { readonly pagePackets?: true },
  telemetry: Telemetry,
  turns: TurnTimes | undefined,
): Shown {
  const { pid, versions } = process;
  const hello = { command, version, pid, node: versions.node, packets: pagePackets === true };
  return { telemetry, hello, turns };
}
