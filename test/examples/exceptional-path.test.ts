// The loop of the example, on two backends of this process in the place of the wire and of the kernel: test/vm has the real ones.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { PacketBurst } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { privatePool } from '@vio/rings/testing';
import { frame, macOf, turns } from '@vio/test-support';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterAll, expect, it, vi } from 'vitest';
import { exceptionalPath } from '../../examples/exceptional-path/dist/path.js';

const directory = mkdtempSync(join(tmpdir(), 'vio-exceptional-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A port, and the device that its backend sees. */
async function portOn(driver: VhostDriver): Promise<{ port: VirtioUserPort; device: VhostDevice }> {
  const appeared = new Promise<VhostDevice>((newDevice) => driver.callbacks({ newDevice }));
  await driver.start();
  const port = await openVirtioUser({ path: driver.path });
  return { port, device: await appeared };
}

it('polls no port, not even once, while nothing comes, and wakes for what does', async () => {
  await using wire = VhostDriver.register(join(directory, 'wire.sock'));
  await using host = VhostDriver.register(join(directory, 'host.sock'));
  const outside = await portOn(wire);
  const kernel = await portOn(host);
  const looks = [outside, kernel].map(({ port }) => vi.spyOn(port.rx[0], 'receive'));
  const polls = (): number => looks.reduce((sum, { mock }) => sum + mock.calls.length, 0);
  /** @returns polls so far, once there are no more of them; never while it polls */
  const asleep = async (): Promise<number> => {
    for (let before = -1; before !== polls(); await turns(50)) before = polls();
    return polls();
  };
  const pool = privatePool(64);
  const burst = new PacketBurst(32);
  const send = ({ device }: typeof outside, bytes: Uint8Array): void => {
    writeFrames(pool, burst, [bytes]);
    device.enqueueBurst(0, burst);
    burst.release();
  };
  const arrival = async ({ device }: typeof outside): Promise<Uint8Array> => {
    while (device.dequeueBurst(1, pool, burst) === 0) await turn();
    const [bytes] = readFrames(burst);
    burst.release();
    return bytes;
  };

  const stop = new AbortController();
  const path = exceptionalPath(outside.port, kernel.port, stop.signal);
  const own = outside.port.mac.split(':').map((byte) => Number.parseInt(byte, 16));
  const cases = [
    { from: outside, to: kernel, bytes: frame(own, macOf(1)) },
    { from: outside, to: outside, bytes: frame(macOf(2), macOf(1)) },
    { from: kernel, to: outside, bytes: frame(macOf(1), own) },
  ];
  for (const { from, to, bytes } of cases) {
    const before = await asleep();
    await turns(500);
    expect(polls()).toBe(before);
    send(from, bytes);
    expect(await arrival(to)).toEqual(bytes);
    expect(polls()).toBeGreaterThan(before);
  }
  await asleep();
  stop.abort();
  expect(await path).toEqual({ toKernel: 1, fromKernel: 1, sentOn: 1 });
  await outside.port.close();
  await kernel.port.close();
});
