import type { VioError } from '@vio/native';
import type { DeviceListener } from '../device/device-listener.ts';
import type { ServedDevice } from '../device/served-device.ts';
import type { VhostDevice } from '../device/vhost-device.ts';
import type { WatchedDevices } from '../telemetry/watched-devices.ts';
import type { VhostCallbacks } from './vhost-callbacks.ts';

let vids = 0;

/** Numbers of devices in this process, from 0. */
export function nextVid(): number {
  return vids++;
}

/** Whom a device tells what becomes of it, and who serves it. */
export interface DeviceOwner {
  readonly served: () => ServedDevice;
  readonly device: () => VhostDevice;
  readonly callbacks: () => VhostCallbacks;
  readonly watched: WatchedDevices;
  /** It cannot go on; it ends soon. */
  readonly giveUp: (reason: VioError) => void;
  /** A callback of the application has thrown. */
  readonly failed: (error: unknown) => void;
}

/** Calls a callback of the application, whatever it throws; the device knows that one of them runs. */
export function caller(
  served: () => ServedDevice,
  callbacks: () => VhostCallbacks,
  failed: (error: unknown) => void,
): (callback: (to: VhostCallbacks) => void) => void {
  return (callback) => {
    try {
      during(served(), () => callback(callbacks()));
    } catch (error) {
      failed(error);
    }
  };
}

/** Runs a callback of the application; the device knows that one of them runs. */
export function during<T>({ async }: ServedDevice, callback: () => T): T {
  async.calling++;
  try {
    return callback();
  } finally {
    async.calling--;
  }
}

/** What a device tells its application, and those who look at it. */
export function deviceListener(owner: DeviceOwner): DeviceListener {
  const { served, device, callbacks, watched, giveUp, failed } = owner;
  const call = caller(served, callbacks, failed);
  return {
    newDevice: () => {
      watched.ready(device());
      call((to) => to.newDevice?.(device()));
    },
    destroyDevice: () => {
      watched.gone(device());
      call((to) => to.destroyDevice?.(device()));
    },
    vringStateChanged: (queue, enabled) => call((to) => to.vringStateChanged?.(device(), queue, enabled)),
    broken: (queue, fault) => {
      watched.tell(device(), 'broken', { queue, fault });
      call((to) => to.broken?.(device(), queue, fault));
    },
    baseCorrected: (queue, said, base) => call((to) => to.baseCorrected?.(device(), queue, said, base)),
    featuresChanged: (features) => call((to) => to.featuresChanged?.(device(), features)),
    command: (command) => during(served(), () => callbacks().command?.(device(), command)) !== false,
    notify: (queue) => {
      let handled = false;
      call((to) => (handled = to.guestNotify?.(device(), queue) === true));
      return handled;
    },
    notified: () => call((to) => to.guestNotified?.(device())),
    giveUp,
    failed,
  };
}
