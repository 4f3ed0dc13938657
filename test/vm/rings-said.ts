// What a backend process says of its rings when it is asked by a signal: a guest that waits for ever is about to be given up.
import { ringDumpText } from '@vio/rings';
import type { VhostDevice } from '@vio/vhost';
import { tell } from './say.ts';

/** The signal. */
export const ringsWanted = 'SIGUSR2';

/** Answers it by lines `{ "rings": text }`, one for each device. */
export function sayRingsWhenAsked(devices: Iterable<VhostDevice | undefined>): void {
  process.on(ringsWanted, () => {
    for (const device of devices) tell({ rings: device === undefined ? 'no device' : ringsOf(device) });
  });
}

function ringsOf(device: VhostDevice): string {
  const rings = Array.from({ length: device.vringCount }, (_, ring) => {
    const dump = device.dumpRing(ring, { limit: 4 });
    if (dump === undefined) return `ring ${ring}: its place is not known`;
    const positions = JSON.stringify(device.ringPositions(ring));
    return `${ringDumpText(`ring ${ring}`, dump)}\n  positions ${positions}`;
  });
  return [`pairs in use: ${device.pairsInUse}`, ...rings].join('\n');
}
