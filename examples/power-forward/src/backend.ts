// The backend process: told to be busy it sends frames as fast as they come back, else it does nothing.
import { PacketBurst } from '@vio/net';
import { BufferPool, Region } from '@vio/rings';
import { type VhostDevice, VhostDriver } from '@vio/vhost';

const path = process.argv[2];
if (path === undefined) throw new Error('usage: backend.js SOCKET');

const pool = new BufferPool({ region: new Region(new ArrayBuffer(1024 * 2176)), offset: 0, count: 1024 });
const burst = new PacketBurst(32);
let device: VhostDevice | undefined;
let busy = false;

function turn(): void {
  if (!busy || device === undefined) return;
  for (let i = 0; i < 200; i++) {
    burst.allocate(pool, burst.capacity, 60);
    device.enqueueBurst(0, burst, 0, burst.count);
    burst.release();
    device.dequeueBurst(1, pool, burst);
    burst.release();
  }
  setImmediate(turn);
}

const driver = VhostDriver.register(path);
driver.callbacks({
  newDevice: (found) => {
    device = found;
  },
});
await driver.start();
process.on('message', (message: { readonly busy: boolean }) => {
  busy = message.busy;
  turn();
  process.send?.('understood');
});
process.on('disconnect', () => process.exit(0));
process.send?.('listening');
