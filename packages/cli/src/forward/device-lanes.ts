import { BufferPool, Region, poolStride } from '@vio/rings';
import type { VhostDevice } from '@vio/vhost';
import type { Forwarder } from './forwarder.ts';
import { type MeteredLane, deviceLane } from './lane.ts';

const poolBuffers = 8192;
const dataRoom = 2048;
const headroom = 128;

/** The lanes of a backend's devices in its forwarder: one for each queue pair that runs, as they come and go. */
export class DeviceLanes {
  readonly #forwarder: Forwarder;
  readonly #lanes = new Map<VhostDevice, MeteredLane[]>();
  /** Process-private buffers for packets on the backend's side. */
  readonly #pool = new BufferPool({
    region: new Region(new ArrayBuffer(poolBuffers * poolStride(dataRoom, headroom))),
    offset: 0,
    count: poolBuffers,
    dataRoom,
    headroom,
  });

  constructor(forwarder: Forwarder) {
    this.#forwarder = forwarder;
  }

  get devices(): Iterable<VhostDevice> {
    return this.#lanes.keys();
  }

  /** Those of a device, by queue pair. */
  lanesOf(device: VhostDevice): readonly MeteredLane[] {
    return this.#lanes.get(device) ?? [];
  }

  /** Adds the queue pairs of a device that have become ready since. */
  update(device: VhostDevice): void {
    const lanes = this.#lanes.get(device) ?? [];
    this.#lanes.set(device, lanes);
    while (lanes.length < device.queueCount >>> 1) {
      const lane = deviceLane(device, lanes.length, this.#pool);
      lanes.push(lane);
      this.#forwarder.add(lane);
    }
  }

  remove(device: VhostDevice): void {
    for (const lane of this.#lanes.get(device) ?? []) this.#forwarder.remove(lane);
    this.#lanes.delete(device);
  }
}
