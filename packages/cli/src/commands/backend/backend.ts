import { featureNames, segmentationFeatureBits } from '@vio/net';
import { VIRTIO_F_ACCESS_PLATFORM } from '@vio/rings';
import { type VhostDevice, VhostDriver, untilDevicePackets } from '@vio/vhost';
import { deviceSource } from '@vio/vhost/internal';
import type { BackendOptions } from './options.ts';
import { attachVdpa } from './vdpa.ts';
import { DeviceLanes } from '../../forward/device-lanes.ts';
import { Forwarder } from '../../forward/forwarder.ts';
import { forwardStep, waitsForPackets } from '../../forward/modes.ts';
import { runSession } from '../../forward/session.ts';
import { featureMask } from '../../options/feature-list.ts';
import { serveMetrics, tellMetrics } from '../../metrics/serve.ts';
import { burstCounters } from '../../forward/lane.ts';
import { pageOf } from '../../page/server/page-of.ts';
import { serveCommandTelemetry } from '../../telemetry/serve.ts';
import { LimitedOutput } from '../../limited-output.ts';
import { Output } from '../../output.ts';

/** Serves every frontend that connects until it is interrupted. */
export async function runBackend(
  path: string,
  options: BackendOptions,
  interrupted: AbortSignal,
): Promise<void> {
  const offered = options.features === undefined ? undefined : featureMask('--features', options.features);
  const left = options.disable === undefined ? undefined : featureMask('--disable', options.disable);
  const output = new Output(options.json === true);
  const client = options.client === true;
  const untilPackets = (signal: AbortSignal): Promise<void> => untilDevicePackets(lanes.devices, { signal });
  const { forwardMode, txpkts, burst } = options;
  const sleep = waitsForPackets(forwardMode) ? untilPackets : undefined;
  const forwarder = new Forwarder(forwardStep(forwardMode, txpkts), burst, sleep);
  const lanes = new DeviceLanes(forwarder);
  await using shown = serveCommandTelemetry('backend', options, output);
  await using metrics = await serveMetrics(
    options.metrics,
    () => Object.fromEntries(Array.from(lanes.devices, (device) => [`${path} ${device.vid}`, device])),
    pageOf('backend', options, shown.telemetry, forwarder.times),
  );
  tellMetrics(metrics, output);
  const sources = new Map<VhostDevice, ReturnType<typeof shown.telemetry.add>>();
  /** Numbers of the devices whose connections live. */
  const served = new Set<number>();
  /** What was said last of a connection without a device: one that comes again and again is told of once. */
  let unserved = '';
  /** The same for requests that were refused. */
  let refusal = '';

  /** What a frontend has done wrong. */
  const wrong = new LimitedOutput(output);
  /** Devices that come. Of one that comes and goes all the time as little is said as of what is wrong. */
  const come = new LimitedOutput(output);
  /** Those that were told of: that they go is told as well. */
  const told = new Set<VhostDevice>();

  await using driver = VhostDriver.register(path, {
    client,
    linearBuffers: options.linearBuffer === true,
    externalBuffers: options.extBuffer === true,
    iommuSupport: options.iommuSupport === true,
    postcopySupport: options.postcopySupport === true,
    compliantOffloadFlags: options.legacyOlFlags !== true,
  });
  const platform = options.iommuSupport === true ? VIRTIO_F_ACCESS_PLATFORM : 0n;
  if (offered !== undefined) driver.setFeatures(offered | platform);
  if (!options.tso) driver.disableFeatures(segmentationFeatureBits);
  if (left !== undefined) driver.disableFeatures(left);
  driver.setQueueNum(options.queues);
  driver.callbacks({
    newDevice(device) {
      const { vid, features } = device;
      const names = featureNames(features);
      served.add(vid);
      const text = `device ${vid}: ${names.join(' ')}`;
      if (come.record('device', { vid, mask: features, features: names }, text)) told.add(device);
      lanes.update(device);
      const source = deviceSource(device, () => burstCounters(lanes.lanesOf(device)));
      sources.set(device, shown.telemetry.add(source));
    },
    vringStateChanged: (device) => lanes.update(device),
    broken(device, queue, fault) {
      const id = sources.get(device)?.id;
      if (id !== undefined) shown.telemetry.events.add(id, 'broken', { queue, fault });
      const text = `device ${device.vid}: ring ${queue} is broken: ${fault.detail} (${fault.code})`;
      wrong.record('broken', { vid: device.vid, queue, fault }, text);
    },
    baseCorrected({ vid }, queue, said, base) {
      const hex = (value: number): string => `0x${value.toString(16)}`;
      const text = `device ${vid}: ring ${queue} goes on at ${hex(base)}, as it says itself; its frontend said ${said === undefined ? 'nothing' : hex(said)}`;
      wrong.record('base-corrected', { vid, queue, said, base }, text);
    },
    connectionRefused({ code, message }) {
      wrong.record('refused', { code, message }, `a frontend was refused: ${message} (${code})`);
    },
    exhausted({ vid }, { code, message }) {
      wrong.record(
        'exhausted',
        { vid, code, message },
        `device ${vid}: a request waits: ${message} (${code})`,
      );
    },
    refused({ vid }, { code, message, remedy }) {
      if (message === refusal) return;
      refusal = message;
      const text = `device ${vid}: a request was refused: ${message} (${code}); ${remedy}`;
      wrong.record('request-refused', { vid, code, message, remedy }, text);
    },
    destroyConnection({ vid }, { code, message, remedy }) {
      const parted = code === 'VIO_VHOST_DISCONNECTED' || code === 'VIO_VHOST_CLOSED';
      const device = served.delete(vid);
      // That whoever was served has left is told of as a device.
      if (device ? parted : message === unserved) return;
      if (!device) unserved = message;
      const what = device
        ? `device ${vid}: its connection ended`
        : 'a connection ended before there was a device';
      const text = `${what}: ${message} (${code})${parted ? '' : `; ${remedy}`}`;
      wrong.record('connection-ended', { vid, code, message, remedy }, text);
    },
    destroyDevice(device) {
      lanes.remove(device);
      sources.get(device)?.remove();
      sources.delete(device);
      if (told.delete(device))
        output.record('device-gone', { vid: device.vid }, `device ${device.vid}: gone`);
    },
  });
  await using vdpa =
    options.vdpa === undefined ? undefined : await attachVdpa(options.vdpa, driver, output, interrupted);
  await driver.start();
  output.record('listening', { path, client }, `vhost-user backend on ${path}`);
  forwarder.start();
  await runSession(forwarder, output, {
    duration: options.duration,
    interval: options.statsPeriod,
    interrupted,
    failed: vdpa?.failed ?? new AbortController().signal,
  });
}
