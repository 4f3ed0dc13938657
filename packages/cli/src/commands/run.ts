import { openVirtioUser } from '@vio/virtio-user';
import type { Command } from 'commander';
import { Forwarder } from '../forward/forwarder.ts';
import { portLane } from '../forward/lane.ts';
import { forwardStep } from '../forward/modes.ts';
import { runSession } from '../forward/session.ts';
import { Output } from '../output.ts';
import { type ForwardOptions, addForwardOptions } from './forward-options.ts';
import { portReport } from './port-report.ts';

/** `vio run DEVARGS`: opens a virtio-user port and forwards on every queue pair. */
export function addRunCommand(program: Command): void {
  const command = program
    .command('run')
    .description('open a virtio-user port and forward packets, like a small testpmd')
    .argument('<devargs>', 'DPDK-style devargs, for example net_virtio_user0,path=/tmp/vhost.sock,queues=2');
  addForwardOptions(command)
    .option('--timeout <ms>', 'how long to wait for the backend', Number, 5000)
    .action(runPort);
}

async function runPort(devargs: string, options: ForwardOptions & { timeout: number }): Promise<void> {
  const output = new Output(options.json);
  const step = forwardStep(options.forwardMode, options.txpkts);
  await using port = await openVirtioUser(devargs, { timeout: options.timeout });
  const report = portReport(port);
  output.record('port', report.data, report.text);

  const gone = new AbortController();
  port.on('link', (link) => {
    if (!link.up) gone.abort(link.reason);
  });
  const forwarder = new Forwarder(step, options.burst);
  for (const pair of port.rx.keys()) forwarder.add(portLane(port, pair));
  await runSession(forwarder, output, {
    duration: options.duration,
    interval: options.statsPeriod,
    signal: gone.signal,
  });
  if (options.xstats) {
    const stats = port.stats();
    output.record(
      'xstats',
      { xstats: stats },
      Object.entries(stats)
        .map(([k, v]) => `${k}: ${v}`)
        .join('\n'),
    );
  }
}
