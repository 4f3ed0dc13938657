import { setTimeout as sleep } from 'node:timers/promises';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  WorkerPort,
} from '@vio/net';
import { headerSize } from '@vio/net/internal';
import {
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { FakePciDevice, type FakeOptions } from '../test-support/fake-pci-device.ts';
import { dmaAddress, setUp } from '../test-support/fake-port.ts';
import { FakeWire } from '../test-support/fake-wire.ts';
import { openPciPort } from './open-pci-port.ts';

const kinds: [string, FakeOptions][] = [
  ['modern split', { features: VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC }],
  ['modern split mergeable', { features: VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF }],
  ['modern packed', { features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | VIRTIO_NET_F_MRG_RXBUF }],
  ['modern split in order', { features: VIRTIO_F_VERSION_1 | VIRTIO_F_IN_ORDER }],
  ['modern packed in order', { features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER }],
  ['modern notified with data', { features: VIRTIO_F_VERSION_1 | VIRTIO_F_NOTIFICATION_DATA }],
  ['legacy', { legacy: true, features: VIRTIO_NET_F_MAC | VIRTIO_F_ANY_LAYOUT }],
  ['legacy without ANY_LAYOUT', { legacy: true, features: VIRTIO_NET_F_MAC }],
];

describe.each(kinds)('a port on a %s device', (_, options) => {
  const frames = [1, 60, 1514].map((length) => Uint8Array.from({ length }, (__, i) => i * length));

  it('sends frames as they are', async () => {
    const { port, wire } = await setUp(options);
    for (const frame of frames) await port.send(frame);
    wire.collect();
    expect(wire.sent).toEqual(frames);
  });

  it('receives frames as they are, woken by the interrupt it has', async () => {
    for (const vectors of [2, 1, 0]) {
      const { port, wire } = await setUp({ ...options, vectors });
      const reader = port.packets();
      for (const frame of frames) {
        const next = reader.next();
        await sleep(20); // long enough for the reader to fall asleep
        expect(wire.deliver(frame)).toBe(true);
        await expect(next).resolves.toEqual({ value: frame, done: false });
      }
      await reader.return();
    }
  });
});

describe('a port on a PCI device can do what others can:', () => {
  const modern = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC;

  it('take tags off frames and put them in', async () => {
    const { port, wire } = await setUp({ features: modern }, { vlan: { strip: true, insert: true } });
    const tagged = Uint8Array.from({ length: 64 }, (_, i) => i);
    tagged.set([0x81, 0, 0, 7], 12);
    expect(wire.deliver(tagged)).toBe(true);
    const burst = port.burst();
    expect(port.rx[0].receive(burst)).toBe(1);
    expect([burst.length[0], (burst.vlan?.[0] ?? 0) & 0xfff]).toEqual([60, 7]);
    expect(port.tx[0].send(burst)).toBe(1);
    wire.collect();
    expect(wire.sent).toEqual([tagged]);
  });

  it('drop what is larger than its MTU', async () => {
    const { port } = await setUp({ features: modern }, { mtu: 1000 });
    expect([port.mtu, port.rules.mtu]).toEqual([1000, 1000]);
    await expect(port.send(new Uint8Array(1200))).rejects.toMatchObject({ code: 'VIO_FRAME_SIZE' });
  });

  it('use event indexes', async () => {
    const features = modern | VIRTIO_F_EVENT_IDX;
    expect((await setUp({ features })).port.features & VIRTIO_F_EVENT_IDX).toBe(0n);
    const { port } = await setUp({ features }, { eventIdx: true });
    expect(port.features & VIRTIO_F_EVENT_IDX).toBe(VIRTIO_F_EVENT_IDX);
  });

  it('have a pool that grows, in memory that the device has from the start', async () => {
    const { port } = await setUp({ features: modern }, { memory: { maxBuffers: 4000 } });
    const before = port.pool.count;
    const added = await port.growPool(1000);
    expect([added >= 1000, port.pool.count - before]).toEqual([true, added]);
    await expect(port.growPool(4000)).resolves.toBeGreaterThan(0);
    await expect(port.growPool(1)).rejects.toMatchObject({ code: 'VIO_POOL_FULL' });
  });

  it('hand out their queue pairs, each to be served on its own', async () => {
    const { device, port } = await setUp(
      { features: modern | VIRTIO_F_NOTIFICATION_DATA },
      { detached: true },
    );
    expect([port.rx, port.handles.length, port.features & VIRTIO_F_NOTIFICATION_DATA]).toEqual([[], 1, 0n]);
    const kicked = new Promise<number>((resolve) => {
      device.onNotify = (queue) => {
        if (queue === 1) resolve(queue);
      };
    });
    using worker = WorkerPort.open(port.handles[0]);
    const wire = new FakeWire(device, dmaAddress, headerSize(port.features));
    await worker.send(new Uint8Array(60).fill(7));
    expect(await kicked).toBe(1);
    wire.collect();
    expect(wire.sent).toEqual([new Uint8Array(60).fill(7)]);
    const next = worker.packets().next();
    await sleep(20);
    expect(wire.deliver(new Uint8Array(61))).toBe(true);
    expect((await next).value).toHaveLength(61);
  });

  it('are missed by name as options that there are not', async () => {
    const misspelt: object = { queus: 2 };
    await expect(openPciPort(new FakePciDevice(), misspelt)).rejects.toMatchObject({
      code: 'VIO_OPTION_UNKNOWN',
    });
  });
});

describe('offloads', () => {
  it('are negotiated as asked for', async () => {
    const features = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6;
    const { port } = await setUp({ features }, { offloads: { txChecksum: true } });
    expect(port.features).toBe(VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CSUM);
  });

  it('that the device has not are missed by name', async () => {
    const device = new FakePciDevice({ features: VIRTIO_F_VERSION_1 });
    await expect(openPciPort(device, { offloads: { tso: true } })).rejects.toMatchObject({
      code: 'VIO_OFFLOAD_UNAVAILABLE',
    });
    expect(device.closed).toBe(true);
  });
});
