import { BufferPool, Region } from '@vio/rings';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import type { Command } from 'commander';
import { Forwarder } from '../forward/forwarder.ts';
import { type Lane, deviceLane } from '../forward/lane.ts';
import { forwardStep } from '../forward/modes.ts';
import { runSession } from '../forward/session.ts';
import { Output } from '../output.ts';
import { type ForwardOptions, addForwardOptions } from './forward-options.ts';

interface BackendOptions extends ForwardOptions {
  readonly client: boolean;
  readonly queues: number;
}

const poolBuffers = 8192;

/** `vio backend PATH`: the embedded vhost-user backend, forwarding for every frontend that connects. */
export function addBackendCommand(program: Command): void {
  const command = program
    .command('backend')
    .description('serve virtio-user ports and guests with the embedded vhost-user backend')
    .argument('<path>', 'the vhost-user socket');
  addForwardOptions(command)
    .option('--client', 'connect to the socket (the frontend listens) instead of listening', false)
    .option('--queues <pairs>', 'queue pairs offered', Number, 8)
    .action(runBackend);
}

async function runBackend(path: string, options: BackendOptions): Promise<void> {
  const output = new Output(options.json);
  const forwarder = new Forwarder(forwardStep(options.forwardMode, options.txpkts), options.burst);
  const pool = localPool();
  const lanes = new Map<VhostDevice, Map<number, Lane>>();

  await using driver = VhostDriver.register(path, { client: options.client });
  driver.setQueueNum(options.queues);
  driver.callbacks({
    newDevice(device) {
      const features = device.features;
      output.record('device', { vid: device.vid, features }, `device ${device.vid}: up`);
      const pairs = new Map<number, Lane>();
      for (let pair = 0; pair < device.queueCount >>> 1; pair++) {
        const lane = deviceLane(device, pair, pool);
        pairs.set(pair, lane);
        forwarder.add(lane);
      }
      lanes.set(device, pairs);
    },
    destroyDevice(device) {
      output.record('device-gone', { vid: device.vid }, `device ${device.vid}: down`);
      for (const lane of lanes.get(device)?.values() ?? []) forwarder.remove(lane);
      lanes.delete(device);
    },
  });
  await driver.start();
  output.record('listening', { path, client: options.client }, `vhost-user backend on ${path}`);
  await runSession(forwarder, output, {
    duration: options.duration,
    interval: options.statsPeriod,
    signal: new AbortController().signal,
  });
}

/** Process-private buffers for packets on the backend's side. */
function localPool(): BufferPool {
  const stride = 2176;
  const region = new Region(new ArrayBuffer(poolBuffers * stride));
  return new BufferPool({ region, offset: 0, count: poolBuffers });
}
