// What is to be seen of PCI cards, step by step in one guest. Arguments: steps as JSON. Prints their reports as JSON, by
// name; a step that fails reports its error.
import { writeFileSync } from 'node:fs';
import { VioError } from '@vio/native';
import { carry } from './pci/carry.ts';
import { transfer } from './pci/transfer.ts';

/** By name: a program and what it is given. */
export type Steps = Readonly<Record<string, Step>>;
export type Step =
  | readonly ['carry', ours: string, driver: string]
  | readonly ['transfer', red: string, blue: string, driver: string, bytes: number];

function run(step: Step): Promise<object> {
  switch (step[0]) {
    case 'carry':
      return carry(step[1], step[2]);
    case 'transfer':
      return transfer(step[1], step[2], step[3], step[4]);
  }
}

writeFileSync('/proc/sys/vm/nr_hugepages', '24');
const reports: Record<string, unknown> = {};
for (const [name, step] of Object.entries(JSON.parse(process.argv[2] ?? '{}') as Steps)) {
  const began = performance.now();
  try {
    reports[name] = await run(step);
  } catch (error) {
    reports[name] = { failed: VioError.is(error) ? `${error.code}: ${error.message}` : String(error) };
  }
  console.error(`${name}: ${Math.round(performance.now() - began)} ms`);
}
console.log(JSON.stringify(reports));
