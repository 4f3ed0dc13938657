// Ports on vhost-vdpa, step by step in one guest. Argument: steps as JSON.
import { type Steps, reportSteps } from './steps.ts';
import { compliance } from './vdpa/compliance.ts';
import { meetFaults } from './vdpa/faults.ts';
import { served, servedPairs } from './vdpa/served.ts';
import { type Traffic, carry } from './vdpa/traffic.ts';
import { type CardOptions, cardMain } from './vdpa/vduse-process.ts';

export type Step =
  | readonly ['traffic', traffic: Traffic]
  | readonly ['compliance', card: CardOptions]
  | readonly ['served', card: CardOptions]
  | readonly ['servedPairs', card: CardOptions]
  | readonly ['faults'];

function run(step: Step): Promise<unknown> {
  switch (step[0]) {
    case 'traffic':
      return carry(step[1]);
    case 'compliance':
      return compliance(step[1]);
    case 'served':
      return served(step[1]);
    case 'servedPairs':
      return servedPairs(step[1]);
    case 'faults':
      return meetFaults();
  }
}

if (process.argv[2] === 'vio') {
  // This bundle is the command, too.
  process.argv.splice(2, 1);
  await import('../../../packages/cli/dist/main.js');
} else if (!cardMain()) await reportSteps(JSON.parse(process.argv[2] ?? '{}') as Steps<Step>, run);
