import { type NetPort, PacketBurst } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import type { QueueFault } from '@vio/rings';
import { privatePool } from '@vio/rings/testing';
import type { VhostDevice } from '@vio/vhost';

/** One end of a link as the tests see it: frames in, frames out, on each queue pair. */
export interface Endpoint {
  /** @returns how many of the frames, from the first on, were taken */
  send(pair: number, frames: readonly Uint8Array[]): number;
  receive(pair: number): Uint8Array[];
  /** What it counted and why it is broken, for error messages. */
  describe(): string;
}

/** The frontend: a virtio-user port. */
export class PortEndpoint implements Endpoint {
  readonly #port: NetPort;
  readonly #burst = new PacketBurst(32);

  constructor(port: NetPort) {
    this.#port = port;
  }

  send(pair: number, frames: readonly Uint8Array[]): number {
    const burst = this.#burst;
    if (writeFrames(this.#port.pool, burst, frames) === 0) this.#port.tx[pair].reap();
    const taken = this.#port.tx[pair].send(burst);
    burst.release(taken);
    return taken;
  }

  receive(pair: number): Uint8Array[] {
    const burst = this.#burst;
    this.#port.rx[pair].receive(burst);
    const frames = readFrames(burst);
    burst.release();
    return frames;
  }

  describe(): string {
    const broken = this.#port.rx.flatMap((rx, i) => [rx.broken, this.#port.tx[i].queue.broken]);
    return `port: ${JSON.stringify({ stats: this.#port.stats(), broken })}`;
  }
}

/** The backend: a device whose driver is on the other side of a socket. */
export class DeviceEndpoint implements Endpoint {
  readonly #device: VhostDevice;
  readonly #faults: readonly QueueFault[];
  readonly #pool = privatePool(256);
  readonly #burst = new PacketBurst(32);

  /** @param faults what the driver's `broken` callback said, for error messages */
  constructor(device: VhostDevice, faults: readonly QueueFault[] = []) {
    this.#device = device;
    this.#faults = faults;
  }

  send(pair: number, frames: readonly Uint8Array[]): number {
    const burst = this.#burst;
    const count = writeFrames(this.#pool, burst, frames);
    const taken = this.#device.enqueueBurst(2 * pair, burst, 0, count);
    burst.release();
    return taken;
  }

  receive(pair: number): Uint8Array[] {
    const burst = this.#burst;
    burst.count = this.#device.dequeueBurst(2 * pair + 1, this.#pool, burst, burst.capacity);
    const frames = readFrames(burst);
    burst.release();
    return frames;
  }

  describe(): string {
    const queues = Array.from({ length: this.#device.queueCount }, (_, i) =>
      this.#device.queueStats(i)?.toRecord(`q${i}_`),
    );
    return `device: ${JSON.stringify(queues)}, broken: ${JSON.stringify(this.#faults)}`;
  }
}
