// The backend process: sends every frame back on the queue pair it came from.
import { PacketBurst } from '@vio/net';
import { BufferPool, Region } from '@vio/rings';
import { type VhostDevice, VhostDriver } from '@vio/vhost';

const path = process.argv[2];
if (path === undefined) throw new Error('usage: backend.js SOCKET');

const pool = new BufferPool({ region: new Region(new ArrayBuffer(1024 * 2176)), offset: 0, count: 1024 });
const burst = new PacketBurst(64);
const devices = new Set<VhostDevice>();

function echo(device: VhostDevice): number {
  let moved = 0;
  for (let pair = 0; pair < device.queueCount >>> 1; pair++) {
    const received = device.dequeueBurst(2 * pair + 1, pool, burst, burst.capacity);
    if (received === 0) continue;
    device.enqueueBurst(2 * pair, burst, 0, received);
    // enqueueBurst copied the frames, so the buffers are ours again.
    burst.release();
    moved += received;
  }
  return moved;
}

function poll(): void {
  for (const device of devices) {
    for (let i = 0; i < 64 && echo(device) > 0; i++);
  }
  setImmediate(poll);
}

const driver = VhostDriver.register(path);
driver.callbacks({
  newDevice: (device) => devices.add(device),
  destroyDevice: (device) => devices.delete(device),
});
await driver.start();
process.send?.('listening');
process.on('disconnect', () => process.exit(0));
poll();
