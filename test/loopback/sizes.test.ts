// Frames of every size class and around the edges of buffers, there and back.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VhostDriver } from '@vio/vhost';
import { openVirtioUser } from '@vio/virtio-user';
import { afterAll, describe, expect, it } from 'vitest';
import { DeviceEndpoint, PortEndpoint } from '../support/endpoint.ts';
import { echo, exchange } from '../support/exchange.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-sizes-'));
afterAll(() => rmSync(directory, { recursive: true }));

const smallest = 60;
const largest = 9728;
const edges = [64, 128, 256, 512, 1024, 1519, 2048, 2048 + 2060, 2048 + 2 * 2060, 9018];
const sizes = [smallest, ...edges.flatMap((edge) => [edge - 1, edge, edge + 1]), largest - 1, largest];

describe.each([
  ['split', 'packed_vq=0,in_order=0'],
  ['split in-order', 'packed_vq=0,in_order=1'],
  ['packed', 'packed_vq=1,in_order=0'],
])('a port on %s rings', (name, devargs) => {
  it(`carries frames of ${smallest} to ${largest} bytes, and counts them by size`, async () => {
    const path = join(directory, `${name}.sock`);
    await using driver = VhostDriver.register(path);
    driver.callbacks({ newDevice: (device) => void echo(new DeviceEndpoint(device), 1) });
    await driver.start();
    await using port = await openVirtioUser(`path=${path},${devargs}`);
    for (const length of sizes) {
      await exchange(new PortEndpoint(port), { queues: 1, length, count: 8, window: 4 });
    }
    const stats = port.stats();
    const counted = Object.entries(stats).filter(([key]) => /^rx_q0_(size|undersize)/.test(key));
    const expected = {
      rx_q0_undersize_packets: 2,
      rx_q0_size_64_packets: 1,
      rx_q0_size_65_127_packets: 2,
      rx_q0_size_128_255_packets: 3,
      rx_q0_size_256_511_packets: 3,
      rx_q0_size_512_1023_packets: 3,
      rx_q0_size_1024_1518_packets: 3,
      rx_q0_size_1519_max_packets: sizes.length - 17,
    };
    expect(Object.fromEntries(counted.map(([key, packets]) => [key, packets / 8]))).toEqual(expected);
    expect(stats['rx_q0_good_bytes']).toBe(8 * sizes.reduce((sum, size) => sum + size, 0));
  });
});
