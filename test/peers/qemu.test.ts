// Our vhost backend under QEMU's virtio-net: its boot ROM is the driver, and asks for an address.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver, protocolFeatureNames } from '@vio/vhost';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const mac = '52:54:00:00:00:07';

/** @param pages of its memory, as an option of QEMU's */
function startQemu(socket: string, pages: string): ChildProcess {
  const command = [
    '-nodefaults -display none -m 64M -machine q35,memory-backend=mem',
    `-object memory-backend-memfd,id=mem,size=64M,share=on${pages}`,
    `-chardev socket,id=backend,path=${socket} -netdev vhost-user,id=net,chardev=backend`,
    `-device virtio-net-pci,netdev=net,mac=${mac}`,
  ];
  const stdio: ('ignore' | 'pipe')[] = ['ignore', 'ignore', 'pipe'];
  return spawn('qemu-system-x86_64', command.join(' ').split(' '), { stdio });
}

describe.each([
  ['pages of 4 KiB', ''],
  // The regions begin and end within pages: the first one ends at 640 KiB, where PCs have a hole.
  ['huge pages', ',hugetlb=on,hugetlbsize=2M'],
])('QEMU as the frontend, with %s', (_, pages) => {
  const directory = mkdtempSync(join(tmpdir(), 'vio-qemu-'));
  const socket = join(directory, 'vhost.sock');
  const driver = VhostDriver.register(socket);
  // With several QEMU would warn of a configuration space that it does not look at.
  driver.setQueueNum(1);
  const refused: string[] = [];
  const ended: string[] = [];
  let qemu: ChildProcess;
  let said = '';
  let device: VhostDevice;

  beforeAll(async () => {
    const ready = new Promise<VhostDevice>((newDevice) =>
      driver.callbacks({
        newDevice,
        refused: (_device, { code }) => refused.push(code),
        destroyConnection: (_device, { code }) => ended.push(code),
      }),
    );
    await driver.start();
    qemu = startQemu(socket, pages);
    qemu.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()));
    const exit = once(qemu, 'exit').then(() => {
      throw new Error(`QEMU ended: ${said}`);
    });
    exit.catch(() => {}); // at the end it is meant to
    device = await Promise.race([ready, exit]);
  });
  afterAll(async () => {
    qemu?.kill('SIGKILL');
    await driver.close();
    rmSync(directory, { recursive: true });
  });

  it('sends what its driver sends', async () => {
    const pool = privatePool();
    const burst = new PacketBurst();
    let source = '';
    while (!source.startsWith(mac)) {
      await sleep(10);
      if (device.dequeueBurst(1, pool, burst) === 0) continue;
      const at = burst.offset[0] + 6;
      source = Array.from(pool.region.u8.subarray(at, at + 6), (byte) =>
        byte.toString(16).padStart(2, '0'),
      ).join(':');
      burst.release();
    }
    expect(source).toBe(mac);
  });

  it('acknowledges, has memory region by region, a way back and a status, and is refused nothing', () => {
    expect(protocolFeatureNames(device.protocolFeatures)).toEqual(
      expect.arrayContaining(['MQ', 'REPLY_ACK', 'BACKEND_REQ', 'CONFIGURE_MEM_SLOTS']),
    );
    expect([refused, ended, said]).toEqual([[], [], '']);
  });

  it('may go at any time', async () => {
    qemu.kill('SIGKILL');
    while (ended.length === 0) await sleep(10);
    expect(ended).toEqual(['VIO_VHOST_DISCONNECTED']);
  });
});
