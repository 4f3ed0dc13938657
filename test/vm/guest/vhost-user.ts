// A network device of QEMU's, behind which a backend of ours is. Prints the reports of its steps as JSON.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { promisify } from 'node:util';
import { exchangeDatagrams } from '../../datagrams.ts';
import { lastPort } from '../vhost-user-plan.ts';
import { type Steps, reportSteps } from './steps.ts';

/** Shell commands; or datagrams for the host at `address`, which is told to die when half of them are back. */
export type Step =
  | readonly ['sh', line: string]
  | readonly ['exchange', address: string, count: number, ports: number]
  | readonly ['survive', address: string, count: number, ports: number];

async function run(step: Step): Promise<unknown> {
  const [kind, target, count, ports] = step;
  if (kind === 'sh') return (await promisify(execFile)('sh', ['-ec', target], { timeout: 30_000 })).stdout;
  if (kind === 'exchange') return exchangeDatagrams({ address: target, count, ports });
  const socket = createSocket('udp4');
  const progress = (back: number): void => {
    if (back === (count * ports) / 2) socket.send('die', lastPort, target);
  };
  const exchanged = await exchangeDatagrams({ address: target, count, ports, progress, resend: 500 });
  socket.close();
  return exchanged;
}

const steps: Steps<Step> = JSON.parse(process.argv[2]);
await reportSteps(steps, run);
