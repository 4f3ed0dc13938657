import type { ControlCommand, HashConfig } from '@vio/net';
import { supportedHashTypes } from '@vio/net/internal';
import { rssPairs } from './driver-settings.ts';

/** As every device has at least (virtio 1.4, section 5.1.4.1); more is not offered. */
export const rssLimits = { keyBytes: 40, tableEntries: 128 } as const;

/**
 * Whether a command asks for no more than there is.
 * @param queuePairs offered
 * @param ready whether a queue pair has been set up, which comes before its use (5.1.9.5.6.1)
 */
export function acceptable(
  command: ControlCommand,
  queuePairs: number,
  ready: (pair: number) => boolean,
): boolean {
  const usable = (pairs: number): boolean => {
    if (pairs < 1 || pairs > queuePairs) return false;
    for (let pair = 0; pair < pairs; pair++) if (!ready(pair)) return false;
    return true;
  };
  switch (command.kind) {
    case 'queue-pairs':
      return usable(command.pairs);
    case 'rss': {
      const { table } = command.config;
      return (
        usable(rssPairs(command.config)) && table.length <= rssLimits.tableEntries && hashable(command.config)
      );
    }
    case 'hash':
      return hashable(command.config);
    default:
      return true;
  }
}

function hashable({ hashTypes, key }: HashConfig): boolean {
  if ((hashTypes & ~supportedHashTypes) !== 0) return false;
  return hashTypes === 0 || key.length === rssLimits.keyBytes;
}
