import { VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS } from '@vio/net';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { turns } from '@vio/test-support';
import { openPciPort } from '../port/open-pci-port.ts';
import { FakePciDevice, usualCapabilities } from '../test-support/fake-pci-device.ts';
import { openVirtioDevice } from './open-device.ts';

const [msix] = usualCapabilities();
const features = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS;
const accesses = (device: FakePciDevice, at: number) =>
  device.log.filter((access) => access.space === 'bar0' && access.at === at);

describe('legacy registers', () => {
  it('are used when there are no modern capabilities', () => {
    expect(openVirtioDevice(new FakePciDevice({ legacy: true })).modern).toBe(false);
  });

  it.each([
    [0, 20],
    [2, 24],
  ])('with %i vectors enabled, the device configuration is at %i', async (vectors, at) => {
    const device = new FakePciDevice({ legacy: true, features, vectors, capabilities: [msix] });
    const port = await openPciPort(device);
    expect(port.mac).toBe('02:00:00:00:00:07');
    expect(accesses(device, at).some(({ width }) => width === 1)).toBe(true);
    await port.close();
  });

  it("take the page frame of a ring, whose size is the device's", async () => {
    const device = new FakePciDevice({ legacy: true, queues: [128, 128], dmaAddress: 0x12_3000_0000n });
    const port = await openPciPort(device);
    const [rx, tx] = accesses(device, 8).map(({ value }) => value);
    expect(rx).toBe(0x123_0000 + port.rx[0].queue.addresses.descriptors / 4096);
    expect(tx).toBeGreaterThan(rx);
    expect(port.rx[0].queue.size).toBe(128);
    await port.close();
  });

  it('have rings of two sizes where the device has', async () => {
    const device = new FakePciDevice({ legacy: true, queues: [1024, 256] });
    await using port = await openPciPort(device);
    expect([port.rx[0].queue.size, port.tx[0].queue.size, port.warnings]).toEqual([1024, 256, []]);
  });

  it('have the size of the device whatever is asked for, and warn', async () => {
    const device = new FakePciDevice({ legacy: true, queues: [1024, 256] });
    const lines: string[] = [];
    await using port = await openPciPort(device, { queueSize: 256, log: (line) => lines.push(line) });
    const told: unknown[] = [];
    port.on('warning', (warning) => told.push(warning));
    await turns(1);
    expect([port.rx[0].queue.size, port.tx[0].queue.size]).toEqual([1024, 256]);
    expect(told).toEqual(port.warnings);
    expect(port.warnings).toMatchObject([{ code: 'VIO_QUEUE_SIZE' }]);
    expect(lines).toContain(`virtio: port 0: ${port.warnings[0].message}`);
  });

  it('do not take another size than was asked for, if that is asked for', async () => {
    const device = new FakePciDevice({ legacy: true, queues: [256, 256] });
    const opening = openPciPort(device, { queueSize: 128, exactQueueSize: true });
    await expect(opening).rejects.toMatchObject({ code: 'VIO_QUEUE_SIZE' });
    expect(device.closed).toBe(true);
  });

  it('do not reach a ring beyond 16 TiB', async () => {
    const device = new FakePciDevice({ legacy: true, dmaAddress: 1n << 44n });
    await expect(openPciPort(device)).rejects.toMatchObject({ code: 'VIO_PCI_DMA' });
    expect(device.closed).toBe(true);
  });

  it('have 32 feature bits', async () => {
    const device = new FakePciDevice({ legacy: true, features: features | VIRTIO_F_VERSION_1 });
    const port = await openPciPort(device);
    expect(port.features).toBe(features);
    expect(() => openVirtioDevice(device).setFeatures(VIRTIO_F_VERSION_1)).toThrow(RangeError);
    await port.close();
  });

  it('are read until they say the same twice, having no generation', () => {
    const device = new FakePciDevice({ legacy: true });
    let looks = 0;
    device.onConfigRead = () => {
      if (++looks === 2) device.setConfigByte(1, 0x44);
    };
    const fields = [0, 1].map((at) => ({ at, width: 1 as const }));
    expect(openVirtioDevice(device).readConfig(fields)).toEqual([2, 0x44]);
    device.onConfigRead = () => device.setConfigByte(0, looks++ & 0xff);
    expect(() => openVirtioDevice(device).readConfig(fields)).toThrow(
      expect.objectContaining({ code: 'VIO_PCI_CONFIG_UNSTABLE' }),
    );
  });
});
