import { setTimeout as sleep } from 'node:timers/promises';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_SPEED_DUPLEX,
  VIRTIO_NET_F_STATUS,
  WorkerPort,
  rarpFrame,
} from '@vio/net';
import { headerSize } from '@vio/net/internal';
import {
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { afterEach, describe, expect, it } from 'vitest';
import { FakePciDevice, type FakeOptions } from '../test-support/fake-pci-device.ts';
import { FakeControl } from '../test-support/fake-control.ts';
import { FakeWire } from '../test-support/fake-wire.ts';
import { type PciPortOptions, openPciPort } from './open-pci-port.ts';
import type { PciPort } from './pci-port.ts';

const dmaAddress = 0x12_c000_0000n;
const open: PciPort[] = [];
afterEach(async () => {
  for (const port of open.splice(0)) await port.close();
});

async function setUp(options: FakeOptions = {}, portOptions: PciPortOptions = {}) {
  const device = new FakePciDevice({ dmaAddress, ...options });
  const port = await openPciPort(device, portOptions);
  open.push(port);
  const wire = new FakeWire(device, dmaAddress, headerSize(port.features));
  return { device, port, wire };
}

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

describe('the life of a device', () => {
  const statuses = (device: FakePciDevice) =>
    device.log
      .filter(({ space, at, write }) => space === 'bar4' && at === 0x14 && write)
      .map(({ value }) => value);

  it('goes through its steps in order, and ends in a reset', async () => {
    const { device, port } = await setUp();
    await port.close();
    expect(statuses(device)).toEqual([0, 1, 3, 11, 15, 0]);
    expect(device.closed).toBe(true);
    expect(device.memory.map(({ fd }) => fd)).toEqual([-1]);
  });

  it('is not notified before DRIVER_OK, and of its receive buffers after it', async () => {
    const device = new FakePciDevice();
    const seen: [number, number][] = [];
    device.onNotify = (queue) => seen.push([queue, device.status]);
    open.push(await openPciPort(device));
    expect(seen).toEqual([[0, 15]]);
  });

  it('is given up as FAILED when it refuses what it offered', async () => {
    const device = new FakePciDevice({ refusesFeatures: true });
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_FEATURES_REFUSED' });
    expect(device.status & 0x80).toBe(0x80);
    expect(device.closed).toBe(true);
  });

  it('without VERSION_1 on modern registers is refused', async () => {
    const device = new FakePciDevice({ features: VIRTIO_NET_F_MAC });
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_FEATURE_MISSING' });
    expect(device.closed).toBe(true);
  });

  it('without a transmit queue is refused', async () => {
    const device = new FakePciDevice({ queues: [256, 0] });
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_PCI_NO_QUEUE' });
  });

  it.each([
    ['asks for a reset', 0x4f, 'VIO_PCI_NEEDS_RESET'],
    ['answers with ones', 0xff, 'VIO_DEVICE_GONE'],
    ['answers with zeroes', 0, 'VIO_DEVICE_GONE'],
  ])('whose device %s takes the link down for good, by name', async (_, status, code) => {
    const { device, port } = await setUp();
    const down = new Promise((resolve) => port.once('link', resolve));
    device.status = status;
    device.interruptConfig();
    await expect(down).resolves.toMatchObject({ up: false, reason: { code } });
    await expect(port.send(new Uint8Array(60))).rejects.toMatchObject({ code: 'VIO_LINK_DOWN' });
    device.status = 15;
    device.interruptConfig();
    await sleep(10);
    expect(port.link.up).toBe(false);
  });

  it('is noticed by looking when the device does not interrupt any more', async () => {
    const { device, port } = await setUp({}, { watchInterval: 20 });
    const down = new Promise((resolve) => port.once('link', resolve));
    device.status = 0x4f;
    await expect(down).resolves.toMatchObject({ reason: { code: 'VIO_PCI_NEEDS_RESET' } });
  });
});

describe('the configuration of a device', () => {
  const bytes = [2, 0, 0, 0, 0, 7, 1, 0, 0, 0, 0xdc, 0x05, 0x10, 0x27, 0, 0, 1];
  const features = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_SPEED_DUPLEX;

  it('gives address, MTU, speed and duplex', async () => {
    const { port } = await setUp({ features, config: bytes });
    expect(port).toMatchObject({ mac: '02:00:00:00:00:07', mtu: 1500, speed: 10000, duplex: 'full' });
  });

  it('is not believed where no device may say so', async () => {
    const odd = [...bytes.slice(0, 12), 0xff, 0xff, 0xff, 0xfe, 7];
    const { port } = await setUp({ features, config: odd });
    expect(port).toMatchObject({ speed: undefined, duplex: 'unknown' });
  });

  it('is not read where the feature is not offered', async () => {
    const { port } = await setUp({ features: VIRTIO_F_VERSION_1, config: bytes });
    expect(port).toMatchObject({ mtu: undefined, speed: undefined });
    expect(port.mac).toMatch(/^.[26ae](:..){5}$/);
    expect(port.mac).not.toBe('02:00:00:00:00:07');
  });

  it.each([
    [9000, 0n],
    [1500, VIRTIO_NET_F_MTU],
  ])('an MTU of %i is accepted only if the buffers have room for it', async (mtu, accepted) => {
    const config = [...bytes.slice(0, 10), mtu & 255, mtu >> 8, ...bytes.slice(12)];
    const { port } = await setUp({ features, config });
    expect(port.features & VIRTIO_NET_F_MTU).toBe(accepted);
    const mergeable = await setUp({ features: features | VIRTIO_NET_F_MRG_RXBUF, config });
    expect(mergeable.port.features & VIRTIO_NET_F_MTU).toBe(VIRTIO_NET_F_MTU);
  });

  it('is read again when its generation changes in between', async () => {
    const device = new FakePciDevice({ features });
    let looks = 0;
    device.onConfigRead = () => {
      if (++looks !== 3) return;
      device.setConfigByte(5, 9);
      device.setConfigByte(0, 6);
      device.generation++;
    };
    const port = await openPciPort(device);
    open.push(port);
    expect(port.mac).toBe('06:00:00:00:00:09');
  });

  it('that changes at every look is given up', async () => {
    const device = new FakePciDevice({ features });
    device.onConfigRead = () => (device.generation = (device.generation + 1) & 0xff);
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_PCI_CONFIG_UNSTABLE' });
    expect(device.closed).toBe(true);
  });

  it('tells of the link: down, and up again', async () => {
    const { device, port } = await setUp({ features: features | VIRTIO_NET_F_STATUS });
    for (const up of [false, true]) {
      const change = new Promise((resolve) => port.once('link', resolve));
      device.setConfigByte(6, up ? 1 : 0);
      device.interruptConfig();
      await expect(change).resolves.toMatchObject({ up });
    }
  });
});

describe('the control queue', () => {
  const control = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN;

  it.each([
    ['split', 0n],
    ['packed', VIRTIO_F_RING_PACKED],
  ])('of a %s device takes commands', async (_, format) => {
    const device = new FakePciDevice({ dmaAddress, features: control | format, queues: [256, 256, 64] });
    const fake = new FakeControl(device, 2);
    const port = await openPciPort(device);
    open.push(port);
    await port.control.setPromiscuous(true);
    await port.control.addVlan(7);
    expect(fake.told).toEqual([
      { kind: 'rx-mode', mode: 'promiscuous', on: true },
      { kind: 'vlan-add', id: 7 },
    ]);
    await expect(port.control.setMac('02:00:00:00:00:01')).rejects.toMatchObject({
      code: 'VIO_CONTROL_UNSUPPORTED',
    });
  });

  it('of a legacy device has the size the device says', async () => {
    const features = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_F_ANY_LAYOUT;
    const device = new FakePciDevice({ dmaAddress, legacy: true, features, queues: [256, 256, 64] });
    const fake = new FakeControl(device, 2);
    const port = await openPciPort(device);
    open.push(port);
    await port.control.setAllMulticast(false);
    expect(fake.told).toEqual([{ kind: 'rx-mode', mode: 'allMulticast', on: false }]);
  });

  it('is missed by name when the device offers it and has none', async () => {
    const device = new FakePciDevice({ features: control });
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_PCI_NO_QUEUE' });
    expect(device.closed).toBe(true);
  });

  it('fails its commands when the device goes away', async () => {
    const device = new FakePciDevice({ dmaAddress, features: control, queues: [256, 256, 64] });
    const port = await openPciPort(device);
    open.push(port);
    const command = port.control.setPromiscuous(true);
    device.askForRemoval();
    await expect(command).rejects.toMatchObject({ code: 'VIO_CONTROL_CLOSED' });
  });

  it('acknowledges an announcement once the port has made itself known', async () => {
    const features = control | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_NET_F_MAC;
    const device = new FakePciDevice({ dmaAddress, features, queues: [256, 256, 64] });
    const fake = new FakeControl(device, 2);
    const acknowledged = new Promise<void>((resolve) => {
      fake.answer = ({ kind }) => {
        if (kind === 'announce-ack') device.setConfigByte(6, 1);
        resolve();
        return true;
      };
    });
    const port = await openPciPort(device);
    open.push(port);
    const wire = new FakeWire(device, dmaAddress, headerSize(port.features));
    device.setConfigByte(6, 3);
    device.interruptConfig();
    await acknowledged;
    wire.collect();
    expect(wire.sent).toEqual([rarpFrame('02:00:00:00:00:07')]);
    expect(fake.told).toEqual([{ kind: 'announce-ack' }]);
  });
});

describe('several queue pairs', () => {
  const features = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_MQ;
  const config = [2, 0, 0, 0, 0, 7, 1, 0, 4, 0];
  const queues = [256, 256, 256, 256, 256, 256, 256, 256, 64];

  it('have a vector each, and are what the device is told to use', async () => {
    const device = new FakePciDevice({ dmaAddress, features, config, queues, vectors: 4 });
    const fake = new FakeControl(device, 8);
    const port = await openPciPort(device, { queues: 3 });
    open.push(port);
    expect(fake.told).toEqual([{ kind: 'queue-pairs', pairs: 3 }]);
    expect([port.rx.length, port.tx.length, port.interruptMode]).toEqual([3, 3, 'per-queue']);
    expect(device.queues.map(({ enabled }) => enabled)).toEqual([
      ...Array.from({ length: 6 }, () => true),
      false,
      false,
      true,
    ]);
    expect([0, 2, 4].map((queue) => device.queues[queue].vector)).toEqual([1, 2, 3]);
  });

  it.each([
    ['N + 1', 4, 'per-queue', 0],
    ['2N + 2', 8, 'per-queue', 0],
    ['fewer', 3, 'shared', 1],
  ])('with %s vectors: %i', async (_, vectors, mode, lines) => {
    const device = new FakePciDevice({ dmaAddress, features, config, queues, vectors });
    const fake = new FakeControl(device, 8);
    const log: string[] = [];
    const port = await openPciPort(device, { queues: 3, log: (line) => log.push(line) });
    open.push(port);
    expect([port.interruptMode, fake.told.length]).toEqual([mode, 1]);
    expect(log.filter((line) => /MSI-X vectors of 4 wished/.test(line))).toHaveLength(lines);
  });

  it.each([
    [5, features, 'VIO_QUEUE_COUNT'],
    [0, features, 'VIO_QUEUE_COUNT'],
    [2, features & ~VIRTIO_NET_F_MQ, 'VIO_FEATURE_MISSING'],
    [2, features & ~VIRTIO_NET_F_CTRL_VQ, 'VIO_FEATURE_MISSING'],
  ])('%i of them are refused where the device has not as many', async (pairs, offered, code) => {
    const device = new FakePciDevice({ features: offered, config, queues });
    await expect(openPciPort(device, { queues: pairs })).rejects.toMatchObject({ code });
    expect(device.closed).toBe(true);
  });

  it('end the port when the device refuses them', async () => {
    const device = new FakePciDevice({ dmaAddress, features, config, queues });
    new FakeControl(device, 8).answer = () => false;
    await expect(openPciPort(device, { queues: 2 })).rejects.toMatchObject({ code: 'VIO_CONTROL_REFUSED' });
    expect([device.status, device.closed]).toEqual([0, true]);
  });
});

describe('a device that goes away', () => {
  it('is told by the link when the kernel asks for it', async () => {
    const { device, port } = await setUp();
    const down = new Promise((resolve) => port.once('link', resolve));
    device.askForRemoval();
    await expect(down).resolves.toMatchObject({ up: false, reason: { code: 'VIO_DEVICE_GONE' } });
  });

  it('is noticed by looking, although its registers still answer', async () => {
    const { device, port } = await setUp({}, { watchInterval: 20 });
    const down = new Promise((resolve) => port.once('link', resolve));
    device.config.view.setUint16(0, 0xffff, true);
    await expect(down).resolves.toMatchObject({ up: false, reason: { code: 'VIO_DEVICE_GONE' } });
  });

  it('does not throw into the loop that sends', async () => {
    const { device, port } = await setUp();
    const down = new Promise((resolve) => port.once('link', resolve));
    device.onNotify = () => {
      throw new Error('no device');
    };
    await port.send(new Uint8Array(60));
    await expect(down).resolves.toMatchObject({ up: false, reason: { code: 'VIO_DEVICE_GONE' } });
  });
});

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

  it('have its queue pairs in other threads', async () => {
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

describe('a legacy device', () => {
  it('says nothing of an MTU', async () => {
    const { port } = await setUp({ legacy: true, features: VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU });
    expect([port.features & VIRTIO_NET_F_MTU, port.mtu]).toEqual([0n, undefined]);
  });
});
