import { openVirtioUser } from '@vio/virtio-user';
import type { Command } from 'commander';
import { captureToFile } from '../capture-file.ts';
import { Forwarder } from '../forward/forwarder.ts';
import { portLane } from '../forward/lane.ts';
import { forwardStep } from '../forward/modes.ts';
import { runSession } from '../forward/session.ts';
import { serveMetrics, tellMetrics } from '../metrics/serve.ts';
import { Output } from '../output.ts';
import { recordRing } from '../ring-record.ts';
import { devargsHelp } from './devargs-help.ts';
import { type ForwardOptions, addForwardOptions } from './forward-options.ts';
import { integer } from './option-values.ts';
import { portReport } from './port-report.ts';

interface RunOptions extends ForwardOptions {
  readonly timeout: number;
  readonly xstats?: true;
  readonly pcap?: string;
  readonly snaplen: number;
}

/** `vio run DEVARGS`: opens a virtio-user port and forwards on every queue pair. */
export function addRunCommand(program: Command, interrupted: AbortSignal): void {
  const command = program
    .command('run')
    .description('open a virtio-user port and forward packets, like a small testpmd')
    .argument('<devargs>', 'DPDK-style devargs, for example net_virtio_user0,path=/tmp/vhost.sock,queues=2');
  addForwardOptions(command)
    .option('--timeout <ms>', 'how long to wait for the backend, in each step', integer(1, 3_600_000), 5000)
    .option('--xstats', 'print the extended statistics at the end')
    .option('--pcap <file>', 'write what passes to this file (pcapng when it is called so)')
    .option('--snaplen <bytes>', 'bytes of each packet that --pcap keeps', integer(1, 262_144), 262_144)
    .addHelpText('after', devargsHelp)
    .action((devargs: string, options: RunOptions) => runPort(devargs, options, interrupted));
}

async function runPort(devargs: string, options: RunOptions, interrupted: AbortSignal): Promise<void> {
  const output = new Output(options.json === true);
  const step = forwardStep(options.forwardMode, options.txpkts);
  await using port = await openVirtioUser(devargs, { timeout: options.timeout, signal: interrupted });
  const report = portReport(port);
  output.record('port', report.data, report.text);

  await using metrics = await serveMetrics(options.metrics, () => ({ [port.config.path]: port }));
  tellMetrics(metrics, output);

  const failed = new AbortController();
  port.on('link', (link) => {
    if (port.gone) failed.abort(link.reason);
  });
  port.on('broken', ({ direction, queue, fault }) => {
    const text = `${direction} queue ${queue} is broken: ${fault.detail} (${fault.code})`;
    output.record('broken', { direction, queue, fault }, text);
    const name = `${direction === 'rx' ? 'receive' : 'transmit'}q${queue}`;
    for (const dump of port.dumpRings()) if (dump.name === name) recordRing(output, dump);
  });
  const forwarder = new Forwarder(step, options.burst);
  for (const pair of port.rx.keys()) forwarder.add(portLane(port, pair));
  const capturing = options.pcap === undefined ? null : captureToFile(port, options.pcap, options.snaplen);
  try {
    await runSession(forwarder, output, {
      duration: options.duration,
      interval: options.statsPeriod,
      interrupted,
      failed: failed.signal,
    });
  } finally {
    await capturing?.end(output);
  }
  if (options.xstats === true) {
    const stats = port.stats();
    const lines = Object.entries(stats).map(([name, value]) => `${name}: ${value}`);
    output.record('xstats', { xstats: stats }, lines.join('\n'));
  }
}
