// The driver's clauses of virtio 1.4 section 4.1, by name, on a fake device that logs every access.
import { describe, expect, it } from 'vitest';
import {
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_NOTIF_CONFIG_DATA,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { virtioType } from '../access/virtio-ids.ts';
import { openPciPort } from '../port/open-pci-port.ts';
import { FakePciDevice, structureCapability, usualCapabilities } from '../test-support/fake-pci-device.ts';
import { readCapabilities } from './capabilities.ts';
import { ConfigWindow } from './config-window.ts';
import { resetDevice, resetQueue } from './life-cycle.ts';
import { ModernDevice } from './modern-device.ts';
import { openVirtioDevice } from './open-device.ts';
import { ISR_CONFIG } from './virtio-pci-device.ts';

function modern(device: FakePciDevice): ModernDevice {
  const opened = openVirtioDevice(device);
  if (!(opened instanceof ModernDevice)) throw new TypeError('not a modern device');
  return opened;
}

const writes = (device: FakePciDevice) => device.log.filter(({ write }) => write);
const bar4Writes = (device: FakePciDevice, at: number) =>
  writes(device).filter((access) => access.space === 'bar4' && access.at === at);

describe('C1 (4.1.2.2) matches', () => {
  it.each([
    ['a modern network card', 0x1041, 1],
    ['any modern type', 0x107f, 63],
    ['a transitional network card', 0x1000, 1],
    ['a transitional block device', 0x1001, 2],
    ['no transitional id that stands for nothing', 0x1008, undefined],
    ['no id below the range', 0x0fff, undefined],
    ['no id above the range', 0x1080, undefined],
  ])('%s', (_, id, type) => {
    expect(virtioType(0x1af4, id)).toBe(type);
  });

  it('no other vendor', () => {
    expect(virtioType(0x8086, 0x1041)).toBe(undefined);
  });
});

describe('C2 (4.1.3.1) accesses', () => {
  it('every field by its own width, 64-bit fields as two halves, the low one first', async () => {
    const device = new FakePciDevice({ dmaAddress: 0x12_8000_0000n });
    await (await openPciPort(device)).close();
    const widths = new Map<number, Set<number>>();
    for (const { space, at, width } of device.log) {
      if (space === 'bar4' && at < 0x40) widths.set(at, (widths.get(at) ?? new Set()).add(width));
    }
    const four = [0x00, 0x04, 0x08, 0x0c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34];
    const two = [0x10, 0x16, 0x18, 0x1a, 0x1c, 0x1e];
    const expected = [...four.map((at) => [at, 4]), ...two.map((at) => [at, 2]), [0x14, 1], [0x15, 1]];
    expect([...widths].map(([at, set]) => [at, ...set]).toSorted((a, b) => a[0] - b[0])).toEqual(
      expected.toSorted((a, b) => a[0] - b[0]),
    );
    const descriptors = writes(device).filter(({ space, at }) => space === 'bar4' && (at & ~4) === 0x20);
    expect(descriptors.map(({ at }) => at)).toEqual([0x20, 0x24, 0x20, 0x24]);
    expect(descriptors[1].value).toBe(0x12);
  });
});

describe('C3 (4.1.4.1) capabilities', () => {
  const read = (device: FakePciDevice) => readCapabilities(device.config, (index) => device.barSize(index));

  it('of a reserved type or BAR are ignored', () => {
    const odd = [
      structureCapability(0, 4, 0, 64),
      structureCapability(77, 4, 0, 64),
      structureCapability(1, 6, 0, 64),
    ];
    const capabilities = read(new FakePciDevice({ capabilities: [...odd, ...usualCapabilities()] }));
    expect(capabilities.common).toMatchObject({ bar: 4, offset: 0, length: 0x1000 });
    expect(capabilities.unusable).toEqual([]);
  });

  it('of the same type: the first one that can be used counts', () => {
    const first = structureCapability(3, 4, 0x1100, 4);
    const capabilities = read(new FakePciDevice({ capabilities: [first, ...usualCapabilities()] }));
    expect(capabilities.isr).toMatchObject({ offset: 0x1100 });
    const none = structureCapability(3, 5, 0, 4);
    expect(read(new FakePciDevice({ capabilities: [none, ...usualCapabilities()] })).isr).toMatchObject({
      bar: 4,
    });
  });

  it('may be longer than specified, and their structures too', () => {
    const long = structureCapability(1, 4, 0, 0x3000, [1, 2, 3]);
    expect(read(new FakePciDevice({ capabilities: [long, ...usualCapabilities()] })).common).toMatchObject({
      length: 0x3000,
    });
  });

  it('are never written to', async () => {
    const device = new FakePciDevice();
    await (await openPciPort(device)).close();
    expect(writes(device).filter(({ space, at }) => space === 'config' && at >= 0x40)).toEqual([]);
  });
});

describe('C4 (4.1.4.3.2)', () => {
  it('never writes what is read-only for the driver', async () => {
    const device = new FakePciDevice();
    await (await openPciPort(device)).close();
    const readOnly = [0x04, 0x12, 0x15, 0x1e, 0x38];
    expect(writes(device).filter(({ space, at }) => space === 'bar4' && readOnly.includes(at))).toEqual([]);
    expect(writes(device).filter(({ space, at }) => space === 'bar4' && at >= 0x1000 && at < 0x3000)).toEqual(
      [],
    );
  });
});

describe('C5 (4.1.4.3.2) queue sizes', () => {
  const packed = VIRTIO_F_VERSION_1 | (1n << 34n);

  it('split: 512 of at most 256 is 256', async () => {
    const device = new FakePciDevice();
    await using port = await openPciPort(device, { queueSize: 512 });
    expect(bar4Writes(device, 0x18).map(({ value }) => value)).toEqual([256, 256]);
    expect(port.warnings.map(({ code }) => code)).toEqual(['VIO_QUEUE_SIZE', 'VIO_QUEUE_SIZE']);
  });

  it.each([0, 3, 257])('split: %i of at most 256 is refused before it is written', async (queueSize) => {
    const device = new FakePciDevice();
    await expect(openPciPort(device, { queueSize })).rejects.toMatchObject({ code: 'VIO_RING_SIZE' });
    expect(bar4Writes(device, 0x18)).toEqual([]);
  });

  it('packed: any size but 0', async () => {
    const device = new FakePciDevice({ features: packed });
    await (await openPciPort(device, { queueSize: 100 })).close();
    expect(bar4Writes(device, 0x18).map(({ value }) => value)).toEqual([100, 100]);
    await expect(
      openPciPort(new FakePciDevice({ features: packed }), { queueSize: 0 }),
    ).rejects.toMatchObject({
      code: 'VIO_RING_SIZE',
    });
  });
});

describe('C6 (4.1.4.3.2)', () => {
  it('writes all fields of a queue before it enables it, and never 0 to queue_enable', async () => {
    const device = new FakePciDevice();
    await (await openPciPort(device)).close();
    const order = writes(device).filter(({ space, at }) => space === 'bar4' && at >= 0x16 && at < 0x38);
    for (const queue of [0, 1]) {
      const select = order.findLastIndex(({ at, value }) => at === 0x16 && value === queue);
      expect(order.slice(select + 1, select + 9).map(({ at }) => at)).toEqual([
        0x18, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x1c,
      ]);
    }
    expect(bar4Writes(device, 0x1c).map(({ value }) => value)).toEqual([1, 1]);
  });
});

describe('C7 (4.1.4.3.2) reset', () => {
  it('waits until the status reads 0', async () => {
    const device = new FakePciDevice({ slowReset: 3 });
    await resetDevice(openVirtioDevice(device));
    const reads = device.log.filter(({ space, at, write }) => space === 'bar4' && at === 0x14 && !write);
    expect(reads.map(({ value }) => value)).toEqual([1, 1, 1, 0]);
  });

  it('gives up on a device that never leaves it', async () => {
    const device = new FakePciDevice({ slowReset: Infinity });
    await expect(openPciPort(device, { timeout: 20 })).rejects.toMatchObject({
      code: 'VIO_PCI_RESET_TIMEOUT',
    });
    expect(device.closed).toBe(true);
  });

  it('can be given up by a signal', async () => {
    const signal = AbortSignal.timeout(5);
    const device = openVirtioDevice(new FakePciDevice({ slowReset: Infinity }));
    await expect(resetDevice(device, { signal })).rejects.toMatchObject({ code: 'VIO_ABORTED' });
  });
});

describe('C8 (4.1.4.3.2) reset of a queue', () => {
  const features = VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET;

  it('waits until queue_reset and queue_enable read 0', async () => {
    const fake = new FakePciDevice({ features });
    const device = modern(fake);
    device.setFeatures(features);
    fake.queues[1].enabled = true;
    const done = resetQueue(device, 1, { timeout: 1000 });
    expect(fake.queues[1].resetting).toBe(true);
    expect(fake.queues[0].resetting).toBe(false);
    fake.queues[1].resetting = false;
    fake.queues[1].enabled = false;
    await done;
    expect(device.queueReset?.isDone(1)).toBe(true);
  });

  it('ends with an error when the device does not let go', async () => {
    const device = modern(new FakePciDevice({ features }));
    device.setFeatures(features);
    await expect(resetQueue(device, 0, { timeout: 10 })).rejects.toMatchObject({
      code: 'VIO_PCI_RESET_TIMEOUT',
    });
  });

  it('is refused without the feature', async () => {
    const device = modern(new FakePciDevice());
    await expect(resetQueue(device, 0)).rejects.toMatchObject({ code: 'VIO_FEATURE_MISSING' });
  });
});

describe('C9 (4.1.4.5.2) the ISR', () => {
  const isrReads = (device: FakePciDevice) =>
    device.log.filter(({ space, at }) => space === 'bar4' && at === 0x1000);

  it('is left alone with MSI-X on', async () => {
    const device = new FakePciDevice({ vectors: 2 });
    const port = await openPciPort(device);
    device.interruptConfig();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await port.close();
    expect(isrReads(device)).toEqual([]);
  });

  it('is read once at every INTx', async () => {
    const device = new FakePciDevice({ vectors: 0 });
    const port = await openPciPort(device);
    device.interruptConfig();
    device.interruptConfig();
    await port.close();
    expect(isrReads(device).map(({ value }) => value)).toEqual([ISR_CONFIG, ISR_CONFIG]);
  });
});

describe('C10 (4.1.4.8.2, 4.1.4.9.2)', () => {
  it('ignores vendor data', () => {
    const vendor = structureCapability(9, 4, 0, 64);
    const device = new FakePciDevice({ capabilities: [vendor, ...usualCapabilities()] });
    expect(openVirtioDevice(device).modern).toBe(true);
  });

  it('reaches a BAR that cannot be mapped through the window, with aligned accesses of 1, 2 or 4 bytes', async () => {
    const device = new FakePciDevice({ unmappable: [4], vectors: 0 });
    const port = await openPciPort(device);
    expect(port.mac).toBe('02:00:00:00:00:07');
    await port.close();
    const window = writes(device).filter(({ space, at }) => space === 'config' && at >= 0x40);
    const offsets = window.filter(({ at }) => at % 4 === 0 && at === 0x4c + 8);
    const lengths = window.filter(({ at }) => at === 0x4c + 12);
    expect(offsets.length).toBe(lengths.length);
    for (const [i, { value }] of offsets.entries()) {
      expect([1, 2, 4]).toContain(lengths[i].value);
      expect(value % lengths[i].value).toBe(0);
    }
  });

  it('does not aim the window outside the BAR', () => {
    const device = new FakePciDevice();
    const window = new ConfigWindow(device.config, 0x4c, 4, 0x4000);
    expect(() => window.read(0x4000, 1)).toThrow(expect.objectContaining({ code: 'VIO_REGISTER_RANGE' }));
    expect(() => window.write(2, 4, 0)).toThrow(expect.objectContaining({ code: 'VIO_REGISTER_RANGE' }));
    expect(device.log).toEqual([]);
  });
});

describe('C11 (4.1.5.1.2.2) vectors', () => {
  it('gives the configuration and the receive queue one each when there are two', async () => {
    const device = new FakePciDevice({ vectors: 2 });
    const port = await openPciPort(device);
    expect([port.interruptMode, device.configVector, device.queues[0].vector]).toEqual(['per-queue', 0, 1]);
    await port.close();
  });

  it('works with any size of the table', async () => {
    const device = new FakePciDevice({ vectors: 2048 });
    const port = await openPciPort(device);
    expect([port.interruptMode, device.vectorEvents.length]).toEqual(['per-queue', 2]);
    await port.close();
  });

  it.each([
    [1, 'shared', 1],
    [0, 'line', 0],
  ])(
    'reads back what the device took: with %i to give, the port is %s',
    async (assignable, mode, enabled) => {
      const device = new FakePciDevice({ vectors: 4, assignable });
      const lines: string[] = [];
      const port = await openPciPort(device, { log: (line) => lines.push(line) });
      expect([port.interruptMode, device.vectorEvents.length]).toEqual([mode, enabled]);
      expect(lines.at(-1)).toMatch(/serves all queues/);
      await port.close();
    },
  );
});

describe('C12 (4.1.5.2.1) notifications', () => {
  it('are the queue, in 16 bits, at its own place', () => {
    const device = new FakePciDevice({ notifyMultiplier: 8 });
    const seen: number[][] = [];
    device.onNotify = (...notified) => seen.push(notified);
    const opened = openVirtioDevice(device);
    opened.notifier(1, () => 0).signal();
    opened.notifier(0, () => 0).signal();
    expect(seen).toEqual([
      [1, 1, 2],
      [0, 0, 2],
    ]);
  });

  it('go to one place for all queues when the multiplier is 0', () => {
    const device = new FakePciDevice({ notifyMultiplier: 0 });
    const seen: number[][] = [];
    device.onNotify = (...notified) => seen.push(notified);
    openVirtioDevice(device)
      .notifier(1, () => 0)
      .signal();
    expect(seen).toEqual([[0, 1, 2]]);
  });

  it('are what the device says with NOTIF_CONFIG_DATA', () => {
    const device = new FakePciDevice({ notifyData: (queue) => 0x4000 + queue });
    const seen: number[] = [];
    device.onNotify = (_, value) => seen.push(value);
    const opened = openVirtioDevice(device);
    opened.setFeatures(VIRTIO_F_VERSION_1 | VIRTIO_F_NOTIF_CONFIG_DATA);
    opened.notifier(1, () => 0).signal();
    expect(seen).toEqual([0x4001]);
  });

  it.each([
    ['split', VIRTIO_F_VERSION_1],
    ['packed', VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED],
  ])('carry where the next buffer of a %s queue goes with NOTIFICATION_DATA', async (format, features) => {
    const device = new FakePciDevice({ features: features | VIRTIO_F_NOTIFICATION_DATA });
    const seen: number[][] = [];
    device.onNotify = (...notified) => seen.push(notified);
    const port = await openPciPort(device, { queueSize: 256 });
    await port.send(new Uint8Array(60));
    await port.send(new Uint8Array(60));
    await port.close();
    // All of the receive queue, then one packet and another: of a packed ring also the wrap counter.
    const [filled, wrap] = format === 'split' ? [256, 0] : [0, 0x8000];
    expect(seen).toEqual([
      [0, filled * 0x10000, 4],
      [1, (wrap | 1) * 0x10000 + 1, 4],
      [1, (wrap | 2) * 0x10000 + 1, 4],
    ]);
  });

  it('carry that beside what the device says with NOTIF_CONFIG_DATA', () => {
    const device = new FakePciDevice({ notifyData: (queue) => 0x4000 + queue });
    const seen: number[] = [];
    device.onNotify = (_, value) => seen.push(value);
    const opened = openVirtioDevice(device);
    opened.setFeatures(VIRTIO_F_VERSION_1 | VIRTIO_F_NOTIF_CONFIG_DATA | VIRTIO_F_NOTIFICATION_DATA);
    opened.notifier(1, () => 0xffff).signal();
    expect(seen).toEqual([0xffff_4001]);
  });

  it('never leave the structure', () => {
    const device = new FakePciDevice({ notifyMultiplier: 0x2000 });
    expect(() => openVirtioDevice(device).notifier(1, () => 0)).toThrow(
      expect.objectContaining({ code: 'VIO_PCI_NOTIFY_RANGE' }),
    );
  });
});

describe('C13 (4.1.5.4.2) one interrupt for configuration and queue', () => {
  it.each([
    [1, 'shared'],
    [0, 'line'],
  ])('with %i vectors (%s), either is noticed', async (vectors, mode) => {
    const device = new FakePciDevice({ vectors, features: VIRTIO_F_VERSION_1 | (1n << 16n) });
    const port = await openPciPort(device);
    expect(port.interruptMode).toBe(mode);
    const down = new Promise((resolve) => port.once('link', resolve));
    device.setConfigByte(6, 0);
    device.interruptConfig();
    await expect(down).resolves.toEqual({ up: false });
    await port.close();
  });
});
