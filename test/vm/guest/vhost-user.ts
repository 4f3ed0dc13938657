// Network devices of QEMU's, behind which a backend of ours is. Prints the reports of its steps as JSON.
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { exchangeDatagrams } from '../../support/datagrams.ts';
import { lastPort } from '../vhost-user-plan.ts';
import { shell } from './commands.ts';
import { monitor } from './monitor.ts';
import { type SoFar, type Steps, reboot, reportSteps } from './steps.ts';
import { tcpEcho } from './tcp-echo.ts';

/**
 * Shell commands; datagrams for the host at `address`, sent again after `resend` milliseconds, if given, without an answer, or to a
 * host that is told to die when half of them are back; bytes by TCP from one
 * network namespace to another and back, over a wire that is told to die as often as `deaths` says meanwhile; something that QEMU does, and shell commands after it; a reboot.
 */
export type Step =
  | readonly ['sh', line: string]
  | readonly ['exchange', address: string, count: number, ports: number, resend?: number]
  | readonly ['survive', address: string, count: number, ports: number]
  | readonly ['tcp', client: string, server: string, address: string, bytes: number, deaths?: number]
  | readonly ['monitor', command: string, line: string]
  | readonly ['reboot'];

async function run(step: Step, soFar: SoFar): Promise<unknown> {
  switch (step[0]) {
    case 'sh':
      return shell(step[1]);
    case 'exchange':
      return exchangeDatagrams({
        address: step[1],
        count: step[2],
        ports: step[3],
        ...(step[4] === undefined ? {} : { resend: step[4] }),
      });
    case 'survive':
      return survive(step[1], step[2], step[3]);
    case 'tcp':
      return tcpEcho(step[1], step[2], step[3], step[4], dying(step[1], step[3], step[4], step[5] ?? 0));
    case 'monitor':
      await monitor(step[1]);
      return shell(step[2]);
    case 'reboot':
      return reboot(soFar);
  }
}

/** Tells a wire to die, whenever one more part of the bytes is back. */
function dying(client: string, address: string, bytes: number, deaths: number): (received: number) => void {
  let told = 0;
  return (received) => {
    if (told === deaths || received < ((told + 1) * bytes) / (deaths + 1)) return;
    told++;
    const line = `echo die > /dev/udp/${address}/${lastPort}`;
    execFileSync('ip', ['netns', 'exec', client, 'bash', '-c', line]);
  };
}

async function survive(address: string, count: number, ports: number) {
  const socket = createSocket('udp4');
  const progress = (back: number): void => {
    if (back === (count * ports) / 2) socket.send('die', lastPort, address);
  };
  const exchanged = await exchangeDatagrams({ address, count, ports, progress, resend: 500 });
  socket.close();
  return exchanged;
}

const steps: Steps<Step> = JSON.parse(process.argv[2]);
await reportSteps(steps, run);
