import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MemoryOptions, PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS, type VhostDevice, VhostDriver, wire } from '@vio/vhost';
import { rejectionOf, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { ListeningBackend, allProtocolFeatures } from '../test-support/listening-backend.ts';
import { openVirtioUser } from '../open.ts';

const withSlots = allProtocolFeatures | VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS;
const memory: MemoryOptions = { maxBuffers: 10_000 };

/** A port on a backend of our own, and what arrives there. */
async function pair(options: MemoryOptions, queueSize = 256) {
  const directory = mkdtempSync(join(tmpdir(), 'vio-memory-'));
  const path = join(directory, 'vhost.sock');
  const driver = VhostDriver.register(path);
  const devices: VhostDevice[] = [];
  driver.callbacks({ newDevice: (device) => devices.push(device) });
  await driver.start();
  const port = await openVirtioUser({ path, queue_size: queueSize }, { memory: options });
  return {
    port,
    device: devices[0],
    async [Symbol.asyncDispose]() {
      await port.close();
      await driver.close();
      rmSync(directory, { recursive: true });
    },
  };
}

describe('a small port', () => {
  it('takes a tenth of the memory, and carries as much', async () => {
    await using all = await pair({ buffers: 80 }, 64);
    const { port, device } = all;
    const local = privatePool(256);
    const out = port.burst();
    const back = new PacketBurst();
    for (let turn = 0; turn < 100; turn++) {
      const n = out.allocate(port.pool, 8, 60);
      expect([n, port.tx[0].send(out), device.dequeueBurst(1, local, back)]).toEqual([8, 8, 8]);
      expect([device.enqueueBurst(0, back), port.rx[0].receive(out)]).toEqual([8, 8]);
      back.release();
      out.release();
    }
    expect(port.region.size).toBeLessThan(220_000);
  });
});

describe('a pool that may grow', () => {
  it('has the buffers it was asked for, and all of them carry packets', async () => {
    await using all = await pair(memory);
    const { port, device } = all;
    const before = port.pool.count;
    const added = await port.growPool(4000);
    expect(added).toBeGreaterThanOrEqual(4000);
    expect(port.pool.count).toBe(before + added);

    const local = privatePool(256);
    const out = port.burst();
    const back = new PacketBurst();
    const seen = new Set<number>();
    // All of them in hand, each takes its turn: what was given back last is the next one out.
    const held = new Int32Array(port.pool.free);
    port.pool.alloc(held, 0, held.length);
    for (let turn = 0; turn + 32 <= held.length; turn += 32) {
      port.pool.release(held, turn, 32);
      out.allocate(port.pool, 32, 60);
      for (let i = 0; i < 32; i++) port.region.i32[(out.offset[i] >>> 2) + 4] = out.buffer[i];
      expect([port.tx[0].send(out), device.dequeueBurst(1, local, back)]).toEqual([32, 32]);
      for (let i = 0; i < 32; i++) seen.add(local.region.i32[(back.offset[i] >>> 2) + 4]);
      back.release();
    }
    expect(seen.size).toBeGreaterThan(4000);
  });

  it('grows up to what there is room for, and no further', async () => {
    await using all = await pair(memory);
    while (all.port.pool.count < 9900) await all.port.growPool(3000);
    expect(all.port.pool.count).toBeLessThanOrEqual(10_000);
    const error = await rejectionOf(all.port.growPool(1));
    expect(error.code).toBe('VIO_POOL_FULL');
  });

  it('grows by one call after the other', async () => {
    await using all = await pair(memory);
    const before = all.port.pool.count;
    const added = await Promise.all([
      all.port.growPool(1000),
      all.port.growPool(1000),
      all.port.growPool(10),
    ]);
    expect(all.port.pool.count).toBe(before + added.reduce((sum, n) => sum + n));
  });

  it('does not grow unless it was opened so', async () => {
    await using all = await pair({});
    expect(await rejectionOf(all.port.growPool(1))).toMatchObject({ code: 'VIO_POOL_FULL' });
  });

  it('grows in memory the backend is told of region by region, beside each other in one file', async () => {
    await using backend = new ListeningBackend({ protocolFeatures: withSlots });
    const port = await backend.open({}, { memory });
    await port.growPool(3000);
    await port.growPool(3000);
    const regions = backend.backends[0].seen
      .filter(({ name }) => name === 'SET_MEM_TABLE' || name === 'ADD_MEM_REG')
      .flatMap(({ payload }) => payload as wire.MemoryRegion | wire.MemoryRegion[]);
    expect(regions).toHaveLength(3);
    for (const [i, region] of regions.entries()) {
      const start = i === 0 ? 0 : regions[i - 1].guestAddress + regions[i - 1].size;
      expect(region).toMatchObject({ guestAddress: start, userAddress: start, mmapOffset: start });
    }
  });

  it('is shared as a whole with a backend that comes back', async () => {
    await using backend = new ListeningBackend({ protocolFeatures: withSlots });
    const port = await backend.open({}, { memory, reconnect: { minDelay: 1 } });
    await port.growPool(3000);
    const added = backend.backends[0].seen.at(-1)?.payload as wire.MemoryRegion;
    backend.backends[0].close();
    await until(() => port.reconnects === 1);
    const table = backend.backends[1].seen.find(({ name }) => name === 'SET_MEM_TABLE');
    expect(table?.payload).toMatchObject([{ guestAddress: 0, size: added.guestAddress + added.size }]);
  });

  it('does not grow on a backend that takes no more memory', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open({}, { memory });
    const { count } = port.pool;
    expect(await rejectionOf(port.growPool(3000))).toMatchObject({ code: 'VIO_FEATURE_MISSING' });
    expect(port.pool.count).toBe(count);
  });

  it('stays as it is when the backend refuses', async () => {
    await using undisturbed = new ListeningBackend({ protocolFeatures: withSlots });
    await undisturbed.open({}, { memory });
    const at = undisturbed.asked.length;
    await using backend = new ListeningBackend({
      protocolFeatures: withSlots,
      misbehave: { at, how: 'refuse' },
    });
    const port = await backend.open({}, { memory });
    const { count } = port.pool;
    expect(await rejectionOf(port.growPool(3000))).toMatchObject({ code: 'VIO_VHOST_REFUSED' });
    expect(port.pool.count).toBe(count);
  });
});

it('an option that there is not is refused, and neither pool nor queue changes', async () => {
  await using all = await pair(memory);
  const { port } = all;
  const before = port.pool.count;
  const misspelt: object = { timout: 1 };
  const unknown = { code: 'VIO_OPTION_UNKNOWN' };
  expect(await rejectionOf(port.growPool(4000, misspelt))).toMatchObject(unknown);
  expect(await rejectionOf(port.resetQueue({ direction: 'tx', queue: 0 }, misspelt))).toMatchObject(unknown);
  expect(port.pool.count).toBe(before);
});
