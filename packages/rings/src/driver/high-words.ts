import { descriptorWords } from '../layout/descriptor.ts';
import type { Region } from '../memory/region.ts';

/**
 * Writes the upper halves of all addresses of a ring that is otherwise zero: a region lies within 4 GiB of the device's
 * addresses, so they never change.
 * @param first index of the first descriptor's first word
 */
export function fillHighWords({ i32, addressHigh }: Region, first: number, size: number): void {
  if (addressHigh === 0) return;
  for (let d = 0; d < size; d++) i32[first + d * descriptorWords + 1] = addressHigh;
}
