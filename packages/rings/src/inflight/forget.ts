import type { RingFormat } from '../format.ts';
import { entriesInFlight } from './in-flight.ts';
import { QueueRegion, version } from './inflight-layout.ts';
import type { InflightMemory } from './tracked-device.ts';

/** True when a device has begun to note down there what it has, and its successor goes on from that. */
export function isTracked({ buffer, offset }: InflightMemory, format: RingFormat, size: number): boolean {
  return new QueueRegion(buffer, offset, format, size).u16[version / 2] !== 0;
}

/**
 * After a device was stopped in an orderly way: if it had nothing in flight, nothing is left to resume, and where its
 * successor begins is for the driver to say, who may have made a fresh ring. Otherwise the journal stays as it is.
 */
export function forgetIfIdle(memory: InflightMemory, format: RingFormat, size: number): void {
  if (entriesInFlight(memory, format, size).length > 0) return;
  const { buffer, offset } = memory;
  new QueueRegion(buffer, offset, format, size).u16[version / 2] = 0;
}
