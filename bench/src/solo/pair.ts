import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BufferPool } from '@vio/rings';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver, type VhostDriverFlags } from '@vio/vhost';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';

/** A port and a backend in this process: each is the other's instant peer. */
export interface Pair<P = VirtioUserPort> extends AsyncDisposable {
  readonly port: P;
  readonly device: VhostDevice;
  /** The backend's own buffers. */
  readonly pool: BufferPool;
}

export function openPair(devargs: string): Promise<Pair> {
  return pairOf((socket) => openVirtioUser(`net_virtio_user0,path=${socket},queues=1,${devargs}`));
}

/** @param open connects a port to the socket of the backend @param flags of that */
export async function pairOf<P extends { close(): Promise<void> }>(
  open: (socket: string) => Promise<P>,
  flags: VhostDriverFlags = {},
): Promise<Pair<P>> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-bench-'));
  const socket = join(directory, 'vhost.sock');
  const driver = VhostDriver.register(socket, flags);
  const appeared = new Promise<VhostDevice>((newDevice) => driver.callbacks({ newDevice }));
  await driver.start();
  const port = await open(socket);
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
