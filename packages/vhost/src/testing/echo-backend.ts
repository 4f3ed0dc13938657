import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PacketBurst } from '@vio/net';
import { BufferPool } from '@vio/rings';
import { privatePool } from '@vio/rings/testing';
import type { VhostDevice } from '../backend/device/vhost-device.ts';
import { VhostDriver } from '../backend/driver/vhost-driver.ts';

const buffers = 1024;

/** A backend in this process that sends every frame back on the queue pair it came from, by polling. */
export class EchoBackend implements AsyncDisposable {
  /** Of the backend library; to be configured before `start`. */
  readonly driver: VhostDriver;
  readonly #directory: string;
  readonly #devices = new Set<VhostDevice>();
  readonly #pool: BufferPool;
  readonly #burst = new PacketBurst(64);
  #polling: NodeJS.Immediate | undefined;

  constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'vio-echo-'));
    this.driver = VhostDriver.register(join(this.#directory, 'vhost.sock'));
    this.driver.callbacks({
      newDevice: (device) => this.#devices.add(device),
      destroyDevice: (device) => this.#devices.delete(device),
    });
    this.#pool = privatePool(buffers);
  }

  /** Where it listens. */
  get path(): string {
    return this.driver.path;
  }

  /** Listens, and begins to poll. */
  async start(): Promise<this> {
    await this.driver.start();
    this.#poll();
    return this;
  }

  /** Ends all connections and gives everything back. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearImmediate(this.#polling);
    await this.driver.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #poll(): void {
    for (const device of this.#devices) {
      for (let pair = 0; pair < device.queueCount >>> 1; pair++) this.#echo(device, pair);
    }
    this.#polling = setImmediate(() => this.#poll());
  }

  #echo(device: VhostDevice, pair: number): void {
    const burst = this.#burst;
    const received = device.dequeueBurst(2 * pair + 1, this.#pool, burst, burst.capacity);
    if (received === 0) return;
    device.enqueueBurst(2 * pair, burst, 0, received);
    // What is sent is copied.
    burst.release();
  }
}
