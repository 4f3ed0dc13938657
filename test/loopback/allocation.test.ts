// Bursts allocate nothing, on either side of any ring: not in the first port and device of a process, and not in the
// ones after it, when V8 has compiled what only a new port does along with what every burst does.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NetPort, PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import { privatePool } from '@vio/rings/testing';
import { CopyThread, type VhostDevice, VhostDriver, dmaConfigure, dmaUnconfigure } from '@vio/vhost';
import { openVirtioUser } from '@vio/virtio-user';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { type Allocations, allocationsOf } from '../support/allocations.ts';
import { goldenRows } from '../support/golden-rows.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-allocation-'));
const socket = join(directory, 'vhost.sock');
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

const burstSize = 32;
const roundsPerLook = 1000;
/** V8 interprets at first, and numbers that are no integers are objects then: one look without any is what counts. */
const mostLooks = 100;

/** A port and its device, one burst that goes to and fro; methods and no closures, so that V8 sees every port in the same functions. */
class RoundTrip {
  readonly #port: NetPort;
  readonly #device: VhostDevice;
  readonly #pool: BufferPool;
  readonly #length: number;
  readonly #engine: CopyThread | undefined;
  readonly #burst = new PacketBurst(burstSize);

  /** @param length bytes of a frame @param engine copies the frames of the device */
  constructor(port: NetPort, device: VhostDevice, length: number, engine?: CopyThread) {
    this.#port = port;
    this.#device = device;
    this.#pool = privatePool(256);
    this.#length = length;
    this.#engine = engine;
    if (engine !== undefined)
      for (const queue of [0, 1]) device.asyncChannelRegister(queue, { engine, inOrder: true });
  }

  /** @returns frames that went to the device and came back */
  run(rounds: number): number {
    const port = this.#port;
    const burst = this.#burst;
    let returned = 0;
    for (let i = 0; i < rounds; i++) {
      if (burst.allocate(port.pool, burstSize, this.#length) === 0) port.tx[0].reap();
      burst.release(port.tx[0].send(burst));
      if (this.#engine === undefined) this.#copied();
      else this.#copiedBy(this.#engine);
      returned += port.rx[0].receive(burst);
      burst.release();
    }
    return returned;
  }

  #copied(): void {
    const burst = this.#burst;
    this.#device.dequeueBurst(1, this.#pool, burst, burstSize);
    this.#device.enqueueBurst(0, burst, 0, burst.count);
    burst.release();
  }

  #copiedBy(engine: CopyThread): void {
    const burst = this.#burst;
    this.#device.tryDequeueBurst(1, this.#pool, burst, burstSize);
    engine.quiesce();
    burst.release(this.#device.submitEnqueueBurst(0, burst));
    engine.quiesce();
    this.#device.pollEnqueueCompleted(0, burst);
    burst.release();
  }

  close(): void {
    if (this.#engine === undefined) return;
    for (const queue of [0, 1]) {
      while (this.#device.clearQueue(queue, this.#burst) > 0) this.#burst.release();
      this.#device.asyncChannelUnregister(queue);
    }
  }
}

async function allocationsOfBursts(
  devargs: string,
  length: number,
  engine?: CopyThread,
): Promise<Allocations> {
  const driver = VhostDriver.register(socket, { asyncCopy: engine !== undefined });
  const appeared = new Promise<VhostDevice>((newDevice) => driver.callbacks({ newDevice }));
  await driver.start();
  const port = await openVirtioUser(`net_virtio_user0,path=${socket},${devargs}`);
  try {
    const trip = new RoundTrip(port, await appeared, length, engine);
    let found: Allocations;
    let looks = 0;
    do {
      let returned = 0;
      found = allocationsOf(() => (returned = trip.run(roundsPerLook)));
      expect(returned).toBeGreaterThan(roundsPerLook);
    } while (found.bytes > 0 && ++looks < mostLooks);
    trip.close();
    return found;
  } finally {
    await port.close();
    await driver.close();
  }
}

const shapes = goldenRows.flatMap(({ name, devargs }) => [
  { name, devargs, length: 64 },
  ...(devargs.includes('mrg_rxbuf=1') ? [{ name, devargs, length: 3000 }] : []),
]);

describe.each(['native', 'typescript'])('ports with kernels: %s', (kernels) => {
  it.each(shapes)('$name, frames of $length bytes', async ({ devargs, length }) => {
    vi.stubEnv('VIO_KERNELS', kernels);
    expect(await allocationsOfBursts(devargs, length)).toEqual({ bytes: 0, by: [] });
  });
});

it.each(shapes.filter(({ devargs }) => devargs.includes('mrg_rxbuf=1')))(
  'a device whose frames an engine copies: $name, frames of $length bytes',
  async ({ devargs, length }) => {
    const engine = CopyThread.create();
    dmaConfigure(engine);
    try {
      expect(await allocationsOfBursts(devargs, length, engine)).toEqual({ bytes: 0, by: [] });
    } finally {
      dmaUnconfigure(engine);
    }
  },
);
