import type { RingFormat } from '../format.ts';
import { InflightArea, packedRegion, packedState, splitRegion, splitState } from './inflight-layout.ts';
import type { InflightMemory } from './tracked-device.ts';

/** Entries of a journal that are taken: of a split ring, the heads of the chains that its device has fetched and not used. */
export function entriesInFlight(
  { buffer, offset }: InflightMemory,
  format: RingFormat,
  size: number,
): number[] {
  const { u8 } = new InflightArea(buffer, offset, format, size);
  const [head, bytes] =
    format === 'split' ? [splitRegion.head, splitState.bytes] : [packedRegion.head, packedState.bytes];
  const taken: number[] = [];
  for (let entry = 0; entry < size; entry++) if (u8[head + entry * bytes] !== 0) taken.push(entry);
  return taken;
}
