import type { Fuzzed } from './fuzz-log.ts';

/** How far a fuzzer goes: VIO_FUZZ_STATES states of the kind that VIO_FUZZ_SEED says; milliseconds it may take. */
export function fuzzing(usualStates = 10_000): { states: number; seed: number; timeout: number } {
  const states = Number(process.env['VIO_FUZZ_STATES'] ?? usualStates);
  return { states, seed: Number(process.env['VIO_FUZZ_SEED'] ?? 1), timeout: 60_000 + states };
}

/** Those of `names` that a fuzzer saw in less than one of 1000 states: it did not get far enough to say something. */
export function unseen({ seen, states }: Fuzzed, ...names: readonly string[]): string[] {
  return names.filter((name) => (seen[name] ?? 0) < states / 1000);
}
