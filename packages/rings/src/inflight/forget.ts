import type { RingFormat } from '../format.ts';
import {
  InflightArea,
  packedRegion,
  packedState,
  splitRegion,
  splitState,
  version,
} from './inflight-layout.ts';
import type { InflightMemory } from './tracked-device.ts';

/** True when a device has begun to note down there what it has, and its successor goes on from that. */
export function isTracked({ buffer, offset }: InflightMemory, format: RingFormat, size: number): boolean {
  return new InflightArea(buffer, offset, format, size).u16[version / 2] !== 0;
}

/**
 * After a device was stopped in an orderly way: if it had nothing in flight, nothing is left to resume, and where its
 * successor begins is for the driver to say, who may have made a fresh ring. Otherwise the journal stays as it is.
 */
export function forgetIfIdle({ buffer, offset }: InflightMemory, format: RingFormat, size: number): void {
  const area = new InflightArea(buffer, offset, format, size);
  const [head, bytes] =
    format === 'split' ? [splitRegion.head, splitState.bytes] : [packedRegion.head, packedState.bytes];
  for (let entry = 0; entry < size; entry++) if (area.u8[head + entry * bytes] !== 0) return;
  area.u16[version / 2] = 0;
}
