import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PacketBurst, type BrokenQueue } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { rejectionOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { ListeningBackend } from '../test-support/listening-backend.ts';
import { openVirtioUser } from '../open.ts';

/** A port and the backend it is on, and how frames get from one to the other. */
async function pair(devargs: string) {
  const directory = mkdtempSync(join(tmpdir(), 'vio-reset-'));
  const path = join(directory, 'vhost.sock');
  const driver = VhostDriver.register(path);
  const devices: VhostDevice[] = [];
  const faults: string[] = [];
  driver.callbacks({
    newDevice: (device) => devices.push(device),
    broken: (_, queue, { code }) => faults.push(`${queue} ${code}`),
  });
  await driver.start();
  const port = await openVirtioUser(`path=${path},${devargs}`, { reconnect: true });
  const pool = privatePool();
  const device = devices[0];
  /** The backend takes what there is. */
  const poll = (): number => {
    const back = new PacketBurst();
    device.dequeueBurst(1, pool, back);
    const { count } = back;
    back.release();
    return count;
  };
  return {
    port,
    device,
    faults,
    poll,
    send(frames: number): number {
      const out = port.burst();
      out.allocate(port.pool, frames, 60);
      out.release(port.tx[0].send(out));
      return poll();
    },
    receive(frames: number): number {
      const out = new PacketBurst();
      out.allocate(pool, frames, 60);
      device.enqueueBurst(0, out);
      out.release();
      const back = port.burst();
      const received = port.rx[0].receive(back);
      back.release();
      return received;
    },
    async [Symbol.asyncDispose]() {
      await port.close();
      await driver.close();
      rmSync(directory, { recursive: true });
    },
  };
}

describe.each([
  'packed_vq=0,in_order=0',
  'packed_vq=0,in_order=1',
  'packed_vq=1,in_order=0',
  'packed_vq=1,in_order=1',
])('a queue that is reset (%s)', (devargs) => {
  it('goes on with a fresh ring, and the other one as before', async () => {
    await using both = await pair(devargs);
    both.send(5);
    both.receive(7);
    await both.port.resetQueue({ direction: 'tx', queue: 0 });
    expect([both.send(9), both.receive(11)]).toEqual([9, 11]);
    await both.port.resetQueue({ direction: 'rx', queue: 0 });
    expect([both.send(9), both.receive(11)]).toEqual([9, 11]);
  });

  it('loses no buffer', async () => {
    await using both = await pair(devargs);
    both.send(5);
    both.receive(7);
    await both.port.resetQueue({ direction: 'tx', queue: 0 });
    await both.port.resetQueue({ direction: 'rx', queue: 0 });
    const { pool, rx, tx } = both.port;
    expect(pool.free + rx[0].queue.outstanding + tx[0].queue.outstanding).toBe(pool.count);
  });

  it('that its backend found broken works again', async () => {
    await using both = await pair(devargs);
    const { queue } = both.port.tx[0];
    const { u16, i32 } = both.port.region;
    // An index that jumps, and a descriptor that is indirect and goes on.
    if (queue.format === 'split') u16[queue.addresses.driver / 2 + 1] = 0x7000;
    else i32[queue.addresses.descriptors / 4 + 3] = 0x85 << 16;
    both.poll();
    await both.port.resetQueue({ direction: 'tx', queue: 0 });
    expect([both.faults.length, both.send(3)]).toEqual([1, 3]);
  });

  it('that the port found broken works again', async () => {
    await using both = await pair(devargs);
    const broken: BrokenQueue[] = [];
    both.port.on('broken', (queue) => broken.push(queue));
    const { queue } = both.port.tx[0];
    both.send(4);
    if (queue.format === 'split') both.port.region.u16[queue.addresses.device / 2 + 1] += 100;
    else
      both.port.region.u16.fill(
        0x8080 | 77,
        queue.addresses.descriptors / 2 + 6,
        queue.addresses.descriptors / 2 + 8,
      );
    both.port.tx[0].reap();
    expect(broken).toHaveLength(1);
    await both.port.resetQueue({ direction: 'tx', queue: 0 });
    expect(both.send(3)).toBe(3);
  });
});

describe('a queue is not reset', () => {
  it('on a backend that cannot', async () => {
    await using backend = new ListeningBackend();
    const port = await backend.open();
    const error = await rejectionOf(port.resetQueue({ direction: 'rx', queue: 0 }));
    expect(error.code).toBe('VIO_FEATURE_MISSING');
  });

  it('that is not there', async () => {
    await using both = await pair('queues=1');
    await expect(both.port.resetQueue({ direction: 'rx', queue: 1 })).rejects.toThrow(RangeError);
  });
});
