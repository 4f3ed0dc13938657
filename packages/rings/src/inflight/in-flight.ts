import type { RingFormat } from '../format.ts';
import { QueueRegion, packedRegion, packedState, splitRegion, splitState } from './inflight-layout.ts';
import type { InflightMemory } from './tracked-device.ts';

/**
 * Entries of a journal that are taken, in the order in which their chains were fetched: of a split ring, the heads of the chains
 * that its device has fetched and not used.
 */
export function entriesInFlight(
  { buffer, offset }: InflightMemory,
  format: RingFormat,
  size: number,
): number[] {
  const area = new QueueRegion(buffer, offset, format, size);
  const [head, { bytes, counter }] =
    format === 'split' ? [splitRegion.head, splitState] : [packedRegion.head, packedState];
  const order = (entry: number): number => area.counter(head + entry * bytes + counter);
  return Array.from({ length: size }, (_, entry) => entry)
    .filter((entry) => area.u8[head + entry * bytes] !== 0)
    .toSorted((a, b) => order(a) - order(b));
}
