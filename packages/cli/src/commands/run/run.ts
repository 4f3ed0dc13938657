import type { VioError } from '@vio/native';
import { portSource } from '@vio/net';
import { runSession } from '../../forward/session.ts';
import { Output } from '../../output.ts';
import type { Datapath } from '../../ports/datapath.ts';
import { captureToFile, standardOutput } from './capture-file.ts';
import { openDatapath } from './open-datapath.ts';
import { slotOptions, tellOfPort } from './open-ports.ts';
import { beginRun } from './opening.ts';
import type { RunOptions } from './options.ts';
import { watchReader } from './reader-watch.ts';
import { type PortLabel, portLabel } from './tell-of-link.ts';

/** Opens ports and forwards on every queue pair until it is interrupted. */
export async function runPorts(
  devargs: readonly string[],
  options: RunOptions,
  interrupted: AbortSignal,
): Promise<void> {
  // What goes to a program that reads a capture is nothing but the capture.
  const stream = options.pcap === standardOutput ? process.stderr : process.stdout;
  const output = new Output(options.json === true, stream);
  using _ = options.pcap === standardOutput ? watchReader() : undefined;
  await using opening = await beginRun(devargs, options, output);
  const { slots } = opening.set;
  const failed: AbortSignal[] = [];
  for (const slot of slots) {
    const label = portLabel(slot.number, slots.length);
    const how = slotOptions(options, (reason) => tellOfWait(reason, label, output));
    const port = await slot.open(how, { signal: interrupted });
    opening.measured[slot.name] = port;
    failed.push(tellOfPort(slot, port, label, options, output));
  }
  await using datapath = await openDatapath(
    slots,
    options,
    (port, direction, queue, detail) => {
      const label = portLabel(port, slots.length);
      const text = `${label.text}${direction} queue ${queue} is broken: ${detail}`;
      output.record('broken', { ...label.data, direction, queue, detail }, text);
    },
    opening.times,
  );
  for (const { port, name, number } of slots) {
    if (port !== undefined) opening.telemetry.add(portSource(port, name, () => datapath.besides(number)));
  }
  const [{ port: first }] = slots;
  const capturing =
    options.pcap === undefined || first === undefined
      ? undefined
      : captureToFile(first, options.pcap, options.snaplen);
  const { forwardMode: mode, txpkts: segments, burst, txFirst } = options;
  const work = {
    mode,
    segments,
    burst,
    txFirst: txFirst === true ? 1 : 0,
    peers: new Map<number, Uint8Array>(),
    checksums: new Map<number, never>(),
  };
  try {
    await datapath.start(work);
    await runSession(datapath, output, {
      duration: options.duration,
      interval: options.statsPeriod,
      interrupted,
      failed: AbortSignal.any(failed),
    });
  } finally {
    await capturing?.end(output);
    if (options.xstats === true)
      for (const { number } of slots) recordStats(datapath, number, slots.length, output);
  }
}

function tellOfWait({ code, message }: VioError, label: PortLabel, output: Output): void {
  const text = `${label.text}waiting for a backend: ${message} (${code})`;
  output.record('waiting', { ...label.data, code, message }, text);
}

function recordStats(datapath: Datapath, number: number, ports: number, output: Output): void {
  const { data } = portLabel(number, ports);
  const stats = datapath.stats(number);
  const title = ports === 1 ? [] : [`###### NIC extended statistics for port ${number} `];
  const lines = Object.entries(stats).map(([name, value]) => `${name}: ${value}`);
  output.record('xstats', { ...data, xstats: stats }, [...title, ...lines].join('\n'));
}
