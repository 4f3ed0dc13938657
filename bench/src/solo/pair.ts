import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BufferPool } from '@vio/rings';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';

/** A port and a backend in this process: each is the other's instant peer. */
export interface Pair extends AsyncDisposable {
  readonly port: VirtioUserPort;
  readonly device: VhostDevice;
  /** The backend's own buffers. */
  readonly pool: BufferPool;
}

export async function openPair(devargs: string): Promise<Pair> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-bench-'));
  const socket = join(directory, 'vhost.sock');
  const driver = VhostDriver.register(socket);
  const appeared = new Promise<VhostDevice>((newDevice) => driver.callbacks({ newDevice }));
  await driver.start();
  const port = await openVirtioUser(`net_virtio_user0,path=${socket},queues=1,${devargs}`);
  const count = 1024;
  return {
    port,
    device: await appeared,
    pool: privatePool(count),
    async [Symbol.asyncDispose]() {
      await port.close();
      await driver.close();
      rmSync(directory, { recursive: true });
    },
  };
}
