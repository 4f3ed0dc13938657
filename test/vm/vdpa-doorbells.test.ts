// Doorbells of a vDPA device in a guest: QEMU maps them where the guest's driver kicks, and no kick passes this side any more.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SharedMemory } from '@vio/native';
import { VhostDriver, type VdpaFrontend } from '@vio/vhost';
import { LoopbackVdpa } from '@vio/vhost/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { reportOf } from './guest.ts';
import type { Step } from './guest/vhost-user.ts';
import { withoutVectors } from './qemu.ts';

const pageBytes = 4096;
const silent = 0xffff;
const queues = [0, 1];

/** A loopback whose doorbells are pages of memory; it looks at them as a card does. */
class RungLoopback extends LoopbackVdpa {
  /** By queue: what was rung there, each number once. */
  readonly rung = queues.map(() => new Set<number>());
  /** By queue: kicks that came to this side between two times that its doorbell was rung. QEMU kicks itself when it ends. */
  readonly between = queues.map(() => 0);
  readonly #since = queues.map(() => 0);
  readonly #pages: Uint16Array;

  constructor(memory: SharedMemory) {
    super({ notifyArea: (queue) => ({ fd: memory.fd, offset: queue * pageBytes, size: pageBytes }) });
    this.#pages = new Uint16Array(memory.buffer).fill(silent);
  }

  override async configure(frontend: VdpaFrontend): Promise<void> {
    await super.configure(frontend);
    for (const ring of frontend.rings)
      ring.onKick(() => {
        if (this.rung[ring.index].size > 0) this.#since[ring.index]++;
      });
  }

  /** Looks at the doorbells, and works when one was rung. */
  look(): void {
    for (const queue of queues) {
      const word = Atomics.exchange(this.#pages, (queue * pageBytes) / 2, silent);
      if (word === silent) continue;
      this.rung[queue].add(word);
      this.between[queue] += this.#since[queue];
      this.#since[queue] = 0;
      if (this.frontend !== undefined) void this.setVringState(this.frontend, queue, true);
    }
  }
}

const steps = {
  up: ['sh', 'ip address add 10.1.0.1/24 dev eth0; ip link set eth0 up'],
  // Nobody answers: what comes back is what was asked.
  ask: ['sh', 'ping -c 8 -i 0.2 -W 1 10.1.0.2 > /dev/null; true'],
  received: ['sh', 'cat /sys/class/net/eth0/statistics/rx_packets'],
} satisfies Record<string, Step>;

describe.each(['off', 'on'])('a Linux guest behind a device with doorbells, packed=%s', (packed) => {
  let device: RungLoopback;
  let reports: Record<keyof typeof steps, string>;

  beforeAll(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'vio-doorbells-'));
    const socket = join(directory, 'vdpa.sock');
    const memory = SharedMemory.create({ size: queues.length * pageBytes, name: 'vio-doorbells' });
    device = new RungLoopback(memory);
    const driver = VhostDriver.register(socket);
    driver.attachVdpaDevice(device);
    await driver.start();
    const looking = setInterval(() => device.look(), 1);
    try {
      reports = await reportOf('vhost-user', {
        modules: ['net'],
        arguments: [JSON.stringify(steps)],
        timeout: 240_000,
        qemu: [
          [
            '-object',
            'memory-backend-memfd,id=memory,size=512M,share=on',
            '-machine',
            'memory-backend=memory',
          ],
          ['-chardev', `socket,id=backend,path=${socket}`, '-netdev', 'vhost-user,id=net,chardev=backend'],
          [
            '-device',
            `virtio-net-pci,netdev=net,${withoutVectors},disable-legacy=on,page-per-vq=on,packed=${packed}`,
          ],
        ].flat(),
      });
    } finally {
      clearInterval(looking);
      await driver.close();
      memory.close();
      rmSync(directory, { recursive: true });
    }
  });

  it('has its frames back, of which nobody here was told', () => {
    expect(Number(reports.received)).toBeGreaterThan(0);
    expect(device.looped[0]).toBeGreaterThan(0);
  });

  it('rings the bell of the queue that it means, by its number, and kicks no other way', () => {
    expect(device.rung.map((words) => [...words])).toEqual([[0], [1]]);
    expect(device.between).toEqual([0, 0]);
  });
});
