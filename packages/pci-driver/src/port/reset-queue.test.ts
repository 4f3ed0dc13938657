import { setTimeout as sleep } from 'node:timers/promises';
import { headerSize } from '@vio/net/internal';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_RING_RESET, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { dmaAddress, setUp } from '../test-support/fake-port.ts';
import { FakeWire } from '../test-support/fake-wire.ts';

describe('the reset of a queue', () => {
  const features = VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET;

  it.each([
    ['split', 0n],
    ['packed', VIRTIO_F_RING_PACKED],
  ])('brings broken %s queues back, with their vector', async (_, format) => {
    const { device, port } = await setUp({ features: features | format });
    const { addresses } = port.tx[0].queue;
    const broken = new Promise((resolve) => port.once('broken', resolve));
    await port.send(new Uint8Array(60));
    // A device that says it has used what it never had.
    const { u16 } = port.region;
    if (format === 0n) u16[addresses.device / 2 + 1] = 99;
    else u16.fill(0x8080, addresses.descriptors / 2, addresses.descriptors / 2 + 8);
    port.tx[0].reap();
    await broken;
    for (const [queue, direction] of (['rx', 'tx'] as const).entries()) {
      const done = port.resetQueue({ direction, queue: 0 });
      while (!device.queues[queue].resetting) await sleep(1);
      Object.assign(device.queues[queue], { resetting: false, enabled: false, vector: 0xffff });
      await done;
    }
    expect(device.queues.map(({ enabled }) => enabled)).toEqual([true, true]);
    expect(device.queues[0].vector).toBe(1);
    const wire = new FakeWire(device, dmaAddress, headerSize(port.features));
    await port.send(new Uint8Array(60).fill(7));
    wire.collect();
    expect(wire.sent).toEqual([new Uint8Array(60).fill(7)]);
    expect(wire.deliver(new Uint8Array(61))).toBe(true);
    expect((await port.packets().next()).value).toHaveLength(61);
  });

  it('takes the link down when the device does not let go', async () => {
    const { port } = await setUp({ features });
    await expect(port.resetQueue({ direction: 'rx', queue: 0 }, { timeout: 10 })).rejects.toMatchObject({
      code: 'VIO_PCI_RESET_TIMEOUT',
    });
    expect(port.link).toMatchObject({ up: false, reason: { code: 'VIO_DEVICE_GONE' } });
  });

  it('leaves everything alone when it is given an option that there is not', async () => {
    const { device, port } = await setUp({ features });
    const misspelt: object = { timout: 10 };
    await expect(port.resetQueue({ direction: 'rx', queue: 0 }, misspelt)).rejects.toMatchObject({
      code: 'VIO_OPTION_UNKNOWN',
    });
    expect([port.link.up, device.queues[0].resetting]).toEqual([true, false]);
  });

  it('is missed by name where the device cannot', async () => {
    const { port } = await setUp();
    await expect(port.resetQueue({ direction: 'rx', queue: 0 })).rejects.toMatchObject({
      code: 'VIO_FEATURE_MISSING',
    });
    expect(port.link.up).toBe(true);
  });
});
