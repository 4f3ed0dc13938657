import { headerSize } from '@vio/net/internal';
import { afterEach } from 'vitest';
import { type PciPortOptions, openPciPort } from '../port/open-pci-port.ts';
import type { PciPort } from '../port/pci-port.ts';
import { FakePciDevice, type FakeOptions } from './fake-pci-device.ts';
import { FakeWire } from './fake-wire.ts';

/** By which a fake device knows the memory of its port. */
export const dmaAddress = 0x12_c000_0000n;

const open: PciPort[] = [];
afterEach(async () => {
  for (const port of open.splice(0)) await port.close();
});

/** A port on a fake device, closed when the test is over. */
export async function openPort(device: FakePciDevice, options: PciPortOptions = {}): Promise<PciPort> {
  const port = await openPciPort(device, options);
  open.push(port);
  return port;
}

/** A fake device, a port on it, and the other end of its wire. */
export async function setUp(options: FakeOptions = {}, portOptions: PciPortOptions = {}) {
  const device = new FakePciDevice({ dmaAddress, ...options });
  const port = await openPort(device, portOptions);
  const wire = new FakeWire(device, dmaAddress, headerSize(port.features));
  return { device, port, wire };
}
