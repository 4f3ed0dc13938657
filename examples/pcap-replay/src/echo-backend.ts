// A vhost-user backend that sends every frame back, in the same process as the port.
import { PacketBurst } from '@vio/net';
import { BufferPool, Region } from '@vio/rings';
import { type VhostDevice, VhostDriver } from '@vio/vhost';

export async function startEcho(path: string): Promise<{ close(): Promise<void> }> {
  const pool = new BufferPool({ region: new Region(new ArrayBuffer(512 * 2176)), offset: 0, count: 512 });
  const burst = new PacketBurst(32);
  const devices = new Set<VhostDevice>();
  const driver = VhostDriver.register(path);
  driver.callbacks({
    newDevice: (device) => devices.add(device),
    destroyDevice: (device) => devices.delete(device),
  });
  await driver.start();

  const timer = setInterval(() => {
    for (const device of devices) {
      const received = device.dequeueBurst(1, pool, burst, burst.capacity);
      device.enqueueBurst(0, burst, 0, received);
      burst.release();
    }
  }, 1);
  return {
    async close() {
      clearInterval(timer);
      await driver.close();
    },
  };
}
