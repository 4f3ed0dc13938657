import type { NamedRingDump } from '@vio/net';
import { ringDumpText } from '@vio/rings';
import type { Output } from '../output.ts';

/** Writes down what is in a ring. */
export function recordRing(output: Output, dump: NamedRingDump): void {
  output.record('ring', { ...dump, broken: dump.broken ?? null }, ringDumpText(dump.name, dump));
}
