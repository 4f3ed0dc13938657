import { readFileSync } from 'node:fs';
import { openFds } from '@vio/test-support/plain';

/** What this process holds: descriptors, and the mappings whose names are like this. */
export function held(mapped: RegExp): { readonly descriptors: number; readonly mappings: number } {
  const mappings = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return { descriptors: openFds(), mappings: mappings.filter((line) => mapped.test(line)).length };
}
