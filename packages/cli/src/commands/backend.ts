import { featureNames } from '@vio/net';
import { VhostDriver } from '@vio/vhost';
import type { Command } from 'commander';
import { Forwarder } from '../forward/forwarder.ts';
import { DeviceLanes } from '../forward/device-lanes.ts';
import { forwardStep } from '../forward/modes.ts';
import { runSession } from '../forward/session.ts';
import { serveMetrics, tellMetrics } from '../metrics/serve.ts';
import { Output } from '../output.ts';
import { type ForwardOptions, addForwardOptions } from './forward-options.ts';
import { integer } from './option-values.ts';

interface BackendOptions extends ForwardOptions {
  readonly client?: true;
  readonly queues: number;
}

/** `vio backend PATH`: the embedded vhost-user backend, forwarding for every frontend that connects. */
export function addBackendCommand(program: Command, interrupted: AbortSignal): void {
  const command = program
    .command('backend')
    .description('serve virtio-user ports and guests with the embedded vhost-user backend')
    .argument('<path>', 'the vhost-user socket');
  addForwardOptions(command)
    .option('--client', 'connect to the socket (the frontend listens) instead of listening')
    .option('--queues <pairs>', 'queue pairs offered: 1 to 128', integer(1, 128), 8)
    .action((path: string, options: BackendOptions) => runBackend(path, options, interrupted));
}

async function runBackend(path: string, options: BackendOptions, interrupted: AbortSignal): Promise<void> {
  const output = new Output(options.json === true);
  const client = options.client === true;
  const forwarder = new Forwarder(forwardStep(options.forwardMode, options.txpkts), options.burst);
  const lanes = new DeviceLanes(forwarder);
  await using metrics = await serveMetrics(options.metrics, () =>
    Object.fromEntries(Array.from(lanes.devices, (device) => [`${path} ${device.vid}`, device])),
  );
  tellMetrics(metrics, output);

  await using driver = VhostDriver.register(path, { client });
  driver.setQueueNum(options.queues);
  driver.callbacks({
    newDevice(device) {
      const { vid, features } = device;
      const names = featureNames(features);
      output.record('device', { vid, mask: features, features: names }, `device ${vid}: ${names.join(' ')}`);
      lanes.update(device);
    },
    vringStateChanged: (device) => lanes.update(device),
    broken(device, queue, fault) {
      const text = `device ${device.vid}: ring ${queue} is broken: ${fault.detail} (${fault.code})`;
      output.record('broken', { vid: device.vid, queue, fault }, text);
    },
    destroyDevice(device) {
      lanes.remove(device);
      output.record('device-gone', { vid: device.vid }, `device ${device.vid}: gone`);
    },
  });
  await driver.start();
  output.record('listening', { path, client }, `vhost-user backend on ${path}`);
  await runSession(forwarder, output, {
    duration: options.duration,
    interval: options.statsPeriod,
    interrupted,
    failed: new AbortController().signal,
  });
}
