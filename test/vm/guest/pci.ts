// What is to be seen of PCI cards, step by step in one guest. Argument: steps as JSON.
import { writeFileSync } from 'node:fs';
import { carry } from './pci/carry.ts';
import { compliance } from './pci/compliance.ts';
import { console as consoleOf } from './pci/console.ts';
import { type Ending, death, hold } from './pci/death.ts';
import { devbind } from './pci/devbind.ts';
import { needsReset, refusals, unplug } from './pci/faults.ts';
import { example } from './pci/example.ts';
import { filters } from './pci/filters.ts';
import { leaks } from './pci/leaks.ts';
import { link } from './pci/link.ts';
import { power } from './pci/power.ts';
import { queues, vdpaQueues } from './pci/queues.ts';
import { scaling } from './pci/scaling.ts';
import { vdpaPeers, vdpaSuite, vdpaTaken } from './pci/vdpa.ts';
import { type TransferOptions, transfer } from './pci/transfer.ts';
import { type Steps as StepsOf, reportSteps } from './steps.ts';

export type Steps = StepsOf<Step>;
export type Step =
  | readonly ['carry', ours: string, driver: string, restart?: boolean]
  | readonly ['transfer', red: string, blue: string, driver: string, options: TransferOptions]
  | readonly ['filters', ours: string, driver: string]
  | readonly ['queues', ours: string, driver: string, pairs: number]
  | readonly ['link', ours: string, driver: string, name: string]
  | readonly ['leaks', ours: string, driver: string]
  | readonly ['refusals', bound: string, driver: string]
  | readonly ['needsReset', ours: string, driver: string]
  | readonly ['unplug', ours: string, driver: string, how: string]
  | readonly ['death', ours: string, driver: string, ending: Ending]
  | readonly ['example', driver: string, card: string, second: string, bytes: number]
  | readonly ['power', driver: string, first: string, second: string, bytes: number]
  | readonly ['compliance', ours: string, driver: string]
  | readonly ['devbind', card: string, driver: string]
  | readonly ['console', card: string, driver: string, vio: string]
  | readonly ['scaling', card: string, driver: string, vio: string, pairs: number]
  | readonly ['vdpaSuite', ours: string, whole: boolean]
  | readonly ['vdpaPeers', ours: string]
  | readonly ['vdpaQueues', ours: string, pairs: number]
  | readonly ['vdpaTaken', ours: string, how: string];

function run(step: Step): Promise<object> | object {
  switch (step[0]) {
    case 'carry':
      return carry(step[1], step[2], step[3] === true);
    case 'transfer':
      return transfer(step[1], step[2], step[3], step[4]);
    case 'filters':
      return filters(step[1], step[2]);
    case 'queues':
      return queues(step[1], step[2], step[3]);
    case 'link':
      return link(step[1], step[2], step[3]);
    case 'leaks':
      return leaks(step[1], step[2]);
    case 'refusals':
      return refusals(step[1], step[2]);
    case 'needsReset':
      return needsReset(step[1], step[2]);
    case 'unplug':
      return unplug(step[1], step[2], step[3]);
    case 'death':
      return death(step[1], step[2], step[3]);
    case 'example':
      return example(step[1], step[2], step[3], step[4]);
    case 'power':
      return power(step[1], step[2], step[3], step[4]);
    case 'compliance':
      return compliance(step[1], step[2]);
    case 'devbind':
      return devbind(step[1], step[2]);
    case 'console':
      return consoleOf(step[1], step[2], step[3]);
    case 'scaling':
      return scaling(step[1], step[2], step[3], step[4]);
    case 'vdpaSuite':
      return vdpaSuite(step[1], step[2]);
    case 'vdpaPeers':
      return vdpaPeers(step[1]);
    case 'vdpaQueues':
      return vdpaQueues(step[1], step[2]);
    case 'vdpaTaken':
      return vdpaTaken(step[1], step[2]);
  }
}

if (process.argv[2] === 'vio') {
  // This bundle is the command, too, and two examples.
  process.argv.splice(2, 1);
  await import('../../../packages/cli/dist/main.js');
} else if (process.argv[2] === 'pci-forward') {
  process.argv.splice(2, 1);
  await import('../../../examples/pci-forward/dist/main.js');
} else if (process.argv[2] === 'power-forward') {
  process.argv.splice(2, 1);
  await import('../../../examples/power-forward/dist/main.js');
} else if (process.argv[2] === 'hold') {
  await hold(process.argv[3] ?? '');
} else {
  writeFileSync('/proc/sys/vm/nr_hugepages', '24');
  await reportSteps(JSON.parse(process.argv[2] ?? '{}') as Steps, run);
}
