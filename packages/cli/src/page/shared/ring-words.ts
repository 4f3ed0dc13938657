import type { RingState } from '@vio/net';
import { type SlotState, placeText } from './ring-drawing.ts';

/** What a colour or pointer of a drawing stands for. */
export type Sign = SlotState | 'driver' | 'device';

const pointers: readonly [Sign, string][] = [
  ['driver', 'what the driver makes available next (outside)'],
  ['device', 'what the device uses next (inside)'],
];

/** A driver cannot see what a device has fetched, nor a device what a driver took back. */
const seenBy: Readonly<Record<'driver' | 'device', readonly [Sign, string][]>> = {
  driver: [
    ['held', 'available or in the device’s hands'],
    ['used', 'used, the driver has not taken it back'],
    ['free', 'the driver’s'],
    ...pointers,
  ],
  device: [
    ['available', 'available, the device has not fetched it'],
    ['held', 'in the device’s hands'],
    ['free', 'the driver’s, or used'],
    ...pointers,
  ],
};

/** What the signs of a drawing mean. @param kind of port or device, as telemetry says it */
export function ringLegend(kind: string): readonly [Sign, string][] {
  return seenBy[kind === 'port' ? 'driver' : 'device'];
}

/** Slots that the driver has given and that are not used. */
export function slotsGiven({ positions, inUse }: RingState): number {
  return positions === undefined ? inUse : positions.held + (positions.available ?? 0);
}

/** A ring in names and values, for a person. */
export function ringWords({ format, positions }: RingState): [string, string][] {
  const words: [string, string][] = [['format', format]];
  if (positions === undefined) return words;
  words.push(['driver at', placeText(positions.driver)], ['device at', placeText(positions.device)]);
  if (positions.used !== undefined) words.push(['used', String(positions.used)]);
  if (positions.available !== undefined) words.push(['held', String(positions.held)]);
  return words;
}
