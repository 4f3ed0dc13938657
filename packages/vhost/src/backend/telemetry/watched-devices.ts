import type { Telemetry } from '@vio/net';
import type { VhostDevice } from '../device/vhost-device.ts';
import { deviceSource } from './device-source.ts';

interface Shown {
  readonly id: number;
  remove(): void;
}

/** The devices of a driver that are ready, and those who want to see them. */
export class WatchedDevices {
  readonly #devices = new Set<VhostDevice>();
  readonly #shown = new Map<Telemetry, Map<VhostDevice, Shown>>();

  /** Shows all devices, and those to come. */
  showTo(telemetry: Telemetry): void {
    this.#shown.set(telemetry, new Map());
    for (const device of this.#devices) this.#show(telemetry, device);
  }

  ready(device: VhostDevice): void {
    this.#devices.add(device);
    for (const telemetry of this.#shown.keys()) this.#show(telemetry, device);
  }

  gone(device: VhostDevice): void {
    this.#devices.delete(device);
    for (const shown of this.#shown.values()) {
      shown.get(device)?.remove();
      shown.delete(device);
    }
  }

  /** Something happened to a device that is shown. */
  tell(device: VhostDevice, type: string, data: unknown): void {
    for (const [telemetry, shown] of this.#shown) {
      const id = shown.get(device)?.id;
      if (id !== undefined) telemetry.events.add(id, type, data);
    }
  }

  #show(telemetry: Telemetry, device: VhostDevice): void {
    this.#shown.get(telemetry)?.set(device, telemetry.add(deviceSource(device)));
  }
}
