import type { VhostDriver, VdpaDevice } from '@vio/vhost';
import type { Output } from '../../output.ts';
import { namesPciDevice } from '../../open-devargs.ts';

/** A vDPA device of the command line, attached to a backend. */
export interface AttachedVdpa extends AsyncDisposable {
  /** Aborts when the device has ended by itself. */
  readonly failed: AbortSignal;
}

/**
 * Opens the device that somebody has named, and attaches it.
 * @throws VioError as `PciVdpaDevice.open` does, or `VhostVdpaDevice.open`
 */
export async function attachVdpa(
  text: string,
  driver: VhostDriver,
  output: Output,
  signal: AbortSignal,
): Promise<AttachedVdpa> {
  const failed = new AbortController();
  const device = await open(text, signal);
  device.onDown((reason) => {
    if (device.down !== undefined) failed.abort(reason);
  });
  driver.attachVdpaDevice(device);
  const { name, queueNum } = device;
  output.record('vdpa', { device: name, pairs: queueNum }, `frontends are handed to ${name}`);
  return {
    failed: failed.signal,
    async [Symbol.asyncDispose]() {
      await driver.detachVdpaDevice();
      device.close();
    },
  };
}

/** Loaded on demand: most backends have none. */
async function open(text: string, signal: AbortSignal): Promise<VdpaDevice & { close(): void }> {
  if (namesPciDevice(text)) {
    const { PciVdpaDevice } = await import('@vio/pci-driver');
    return PciVdpaDevice.open(text, { signal });
  }
  const { VhostVdpaDevice } = await import('@vio/vhost-kernel');
  return VhostVdpaDevice.open(text, { signal });
}
