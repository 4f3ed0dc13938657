import { openVirtioUser } from '@vio/virtio-user';
import type { RunOptions } from './options.ts';
import { Forwarder } from '../../forward/forwarder.ts';
import { portLane } from '../../forward/lane.ts';
import { forwardStep } from '../../forward/modes.ts';
import { runSession } from '../../forward/session.ts';
import { serveMetrics, tellMetrics } from '../../metrics/serve.ts';
import { captureToFile } from './capture-file.ts';
import { Output } from '../../output.ts';
import { portReport } from '../../report/port-report.ts';
import { recordRing } from '../../report/ring-record.ts';

/** Opens a port and forwards on every queue pair until it is interrupted. */
export async function runPort(devargs: string, options: RunOptions, interrupted: AbortSignal): Promise<void> {
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
