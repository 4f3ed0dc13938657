import type { VioError } from '@vio/native';
import { type DevicePort, portSource } from '@vio/net';
import { Forwarder } from '../../forward/forwarder.ts';
import { burstCounters, portLane } from '../../forward/lane.ts';
import { forwardStep } from '../../forward/modes.ts';
import { runSession } from '../../forward/session.ts';
import { serveMetrics, tellMetrics } from '../../metrics/serve.ts';
import { type NamedPort, openDevargs, openWhenThere } from '../../open-devargs.ts';
import { Output } from '../../output.ts';
import { portReport } from '../../report/port-report.ts';
import { recordRing } from '../../report/ring-record.ts';
import { serveCommandTelemetry } from '../../telemetry/serve.ts';
import { captureToFile, standardOutput } from './capture-file.ts';
import type { RunOptions } from './options.ts';
import { tellOfLink } from './tell-of-link.ts';

/** Opens a port and forwards on every queue pair until it is interrupted. */
export async function runPort(devargs: string, options: RunOptions, interrupted: AbortSignal): Promise<void> {
  // What goes to a program that reads a capture is nothing but the capture.
  const stream = options.pcap === standardOutput ? process.stderr : process.stdout;
  const output = new Output(options.json === true, stream);
  const step = forwardStep(options.forwardMode, options.txpkts);
  const ports: Record<string, DevicePort> = {};
  await using metrics = await serveMetrics(options.metrics, () => ports);
  tellMetrics(metrics, output);
  await using shown = serveCommandTelemetry('run', options, output);

  const opened = await open(devargs, options, interrupted, output);
  await using port = opened.port;
  ports[opened.name] = port;
  const report = portReport(port, options.verbose === true);
  output.record('port', report.data, report.text);

  const failed = tellOfLink(port, output, options.reconnect === true || opened.server);
  port.on('broken', ({ direction, queue, fault }) => {
    const text = `${direction} queue ${queue} is broken: ${fault.detail} (${fault.code})`;
    output.record('broken', { direction, queue, fault }, text);
    const name = `${direction === 'rx' ? 'receive' : 'transmit'}q${queue}`;
    for (const dump of port.dumpRings()) if (dump.name === name) recordRing(output, dump);
  });
  const forwarder = new Forwarder(step, options.burst);
  const lanes = Array.from(port.rx.keys(), (pair) => portLane(port, pair));
  for (const lane of lanes) forwarder.add(lane);
  shown.telemetry.add(portSource(port, opened.name, () => burstCounters(lanes)));
  const capturing =
    options.pcap === undefined ? undefined : captureToFile(port, options.pcap, options.snaplen);
  try {
    await runSession(forwarder, output, {
      duration: options.duration,
      interval: options.statsPeriod,
      interrupted,
      failed,
    });
  } finally {
    await capturing?.end(output);
    if (options.xstats === true) recordStats(port, output);
  }
}

function open(
  devargs: string,
  { timeout, reconnect, wait }: RunOptions,
  signal: AbortSignal,
  output: Output,
): Promise<NamedPort> {
  const options = { timeout, signal, ...(reconnect === true ? { reconnect } : {}) };
  if (wait !== true) return openDevargs(devargs, options);
  return openWhenThere(devargs, options, ({ code, message }: VioError) => {
    output.record('waiting', { code, message }, `waiting for a backend: ${message} (${code})`);
  });
}

function recordStats(port: DevicePort, output: Output): void {
  const stats = port.xstats();
  const lines = Object.entries(stats).map(([name, value]) => `${name}: ${value}`);
  output.record('xstats', { xstats: stats }, lines.join('\n'));
}
