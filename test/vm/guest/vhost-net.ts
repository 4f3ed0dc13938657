// Ports on vhost-net, step by step in one guest. Argument: steps as JSON.
import { type Steps, reportSteps } from './steps.ts';
import { compliance } from './vhost-net/compliance.ts';
import { exchangeDatagrams } from './vhost-net/datagrams.ts';
import { carryFlows } from './vhost-net/flows.ts';
import { followLink } from './vhost-net/link.ts';
import { exceedLimits } from './vhost-net/limits.ts';
import { pingPort } from './vhost-net/ping.ts';
import { type TransferOptions, transfer } from './vhost-net/transfer.ts';
import { unprivileged, unprivilegedMain } from './vhost-net/unprivileged.ts';

export type Step =
  | readonly ['ping', devargs: string, sizes: readonly number[]]
  | readonly ['transfer', options: TransferOptions]
  | readonly ['flows', queues: number, rounds: readonly number[]]
  | readonly ['datagrams']
  | readonly ['link']
  | readonly ['limits']
  | readonly ['compliance']
  | readonly ['unprivileged'];

function run(step: Step): Promise<unknown> {
  switch (step[0]) {
    case 'ping':
      return pingPort(step[1], step[2]);
    case 'transfer':
      return transfer(step[1]);
    case 'flows':
      return carryFlows(step[1], step[2]);
    case 'datagrams':
      return exchangeDatagrams();
    case 'link':
      return followLink();
    case 'limits':
      return exceedLimits();
    case 'compliance':
      return compliance();
    case 'unprivileged':
      return unprivileged();
  }
}

if (!(await unprivilegedMain())) await reportSteps(JSON.parse(process.argv[2] ?? '{}') as Steps<Step>, run);
