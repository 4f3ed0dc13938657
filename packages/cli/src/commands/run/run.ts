import type { VioError } from '@vio/native';
import { type DevicePort, portSource } from '@vio/net';
import { Forwarder } from '../../forward/forwarder.ts';
import { burstCounters } from '../../forward/lane.ts';
import { forwardStep } from '../../forward/modes.ts';
import { runSession } from '../../forward/session.ts';
import { serveMetrics, tellMetrics } from '../../metrics/serve.ts';
import { Output } from '../../output.ts';
import { userDevices } from '../../ports/pci-devices.ts';
import { PortSet } from '../../ports/port-set.ts';
import type { PortSlot, SlotOptions } from '../../ports/port-slot.ts';
import { streamsBetween } from '../../ports/streams.ts';
import { portReport } from '../../report/port-report.ts';
import { recordRing } from '../../report/ring-record.ts';
import { serveCommandTelemetry } from '../../telemetry/serve.ts';
import { captureToFile, standardOutput } from './capture-file.ts';
import type { RunOptions } from './options.ts';
import { type PortLabel, portLabel, tellOfLink } from './tell-of-link.ts';

/** Opens ports and forwards on every queue pair until it is interrupted. */
export async function runPorts(
  devargs: readonly string[],
  options: RunOptions,
  interrupted: AbortSignal,
): Promise<void> {
  // What goes to a program that reads a capture is nothing but the capture.
  const stream = options.pcap === standardOutput ? process.stderr : process.stdout;
  const output = new Output(options.json === true, stream);
  const step = forwardStep(options.forwardMode, options.txpkts);
  const ports: Record<string, DevicePort> = {};
  await using metrics = await serveMetrics(options.metrics, () => ports);
  tellMetrics(metrics, output);
  await using shown = serveCommandTelemetry('run', options, output);

  const named = options.pci === true ? [...devargs, ...(await userDevices())] : devargs;
  await using set = new PortSet(named);
  const { slots } = set;
  const failed: AbortSignal[] = [];
  for (const slot of slots) {
    const label = portLabel(slot.number, slots.length);
    const port = await slot.open(slotOptions(options, output, label), { signal: interrupted });
    ports[slot.name] = port;
    failed.push(tellOfPort(slot, port, label, options, output));
  }
  const forwarder = new Forwarder(step, options.burst);
  const lanes = streamsBetween(slots, { topology: options.portTopology });
  for (const lane of lanes) forwarder.add(lane);
  for (const { port, name, number } of slots) {
    if (port === undefined) continue;
    const own = lanes.filter(({ from }) => from.port === number);
    shown.telemetry.add(portSource(port, name, () => burstCounters(own)));
  }
  const [{ port: first }] = slots;
  const capturing =
    options.pcap === undefined || first === undefined
      ? undefined
      : captureToFile(first, options.pcap, options.snaplen);
  if (options.txFirst === true) forwarder.once(forwardStep('txonly', options.txpkts));
  try {
    await runSession(forwarder, output, {
      duration: options.duration,
      interval: options.statsPeriod,
      interrupted,
      failed: AbortSignal.any(failed),
    });
  } finally {
    await capturing?.end(output);
    if (options.xstats === true) for (const slot of slots) recordStats(slot, slots.length, output);
  }
}

/** Says what a port is, and what becomes of it. @returns a signal that aborts when it is of no use any more */
function tellOfPort(
  slot: PortSlot,
  port: DevicePort,
  label: PortLabel,
  { verbose, reconnect }: RunOptions,
  output: Output,
): AbortSignal {
  const report = portReport(port, verbose === true);
  const title = label.text === '' ? '' : `port ${slot.number} (${slot.name}, ${port.mac})\n`;
  output.record('port', { ...label.data, ...report.data }, title + report.text);
  port.on('broken', ({ direction, queue, fault }) => {
    const text = `${label.text}${direction} queue ${queue} is broken: ${fault.detail} (${fault.code})`;
    output.record('broken', { ...label.data, direction, queue, fault }, text);
    const name = `${direction === 'rx' ? 'receive' : 'transmit'}q${queue}`;
    for (const dump of port.dumpRings()) if (dump.name === name) recordRing(output, dump);
  });
  return tellOfLink(port, output, reconnect === true || slot.server, label);
}

/** How the ports of `vio run` are opened. */
export function slotOptions(
  { timeout, reconnect, wait, rxq, txq, rxd, txd }: RunOptions,
  output: Output,
  label: PortLabel,
): SlotOptions {
  return {
    timeout,
    ...(reconnect === true ? { reconnect } : {}),
    pairs: most(rxq, txq),
    ringSize: most(rxd, txd),
    wait: wait === true,
    onWaiting: ({ code, message }: VioError) => {
      const text = `${label.text}waiting for a backend: ${message} (${code})`;
      output.record('waiting', { ...label.data, code, message }, text);
    },
  };
}

/** Queues of virtio come in pairs, and are of one size. */
function most(rx: number | undefined, tx: number | undefined): number | undefined {
  return rx === undefined && tx === undefined ? undefined : Math.max(rx ?? 1, tx ?? 1);
}

function recordStats({ port, number }: PortSlot, ports: number, output: Output): void {
  if (port === undefined) return;
  const { data } = portLabel(number, ports);
  const stats = port.xstats();
  const title = ports === 1 ? [] : [`###### NIC extended statistics for port ${number} `];
  const lines = Object.entries(stats).map(([name, value]) => `${name}: ${value}`);
  output.record('xstats', { ...data, xstats: stats }, [...title, ...lines].join('\n'));
}
