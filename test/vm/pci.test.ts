// Ports on QEMU's network cards, driven from user space; the kernel drives the card at the other end of the wire.
import { describe, expect, it } from 'vitest';
import { runInGuest } from './guest.ts';

interface PciReport {
  readonly found: readonly { readonly address: string }[];
  readonly previous: string;
  readonly features: string;
  readonly access: string;
  readonly modern: boolean;
  readonly interruptMode: string;
  readonly mac: string;
  readonly wanted: object;
  readonly lost: object;
  readonly strangers: number;
  readonly givenBack: boolean;
}

const ours = '0000:00:06.0';
const RING_PACKED = 1n << 34n;

/** Two cards on one wire: ours with these properties, the kernel's without any. */
function wire(properties: string): string[] {
  return [
    ['-netdev', 'hubport,hubid=0,id=h0', '-netdev', 'hubport,hubid=0,id=h1'],
    ['-device', `virtio-net-pci,netdev=h0,addr=06.0,mac=52:54:00:00:00:06,${properties}`],
    ['-device', 'virtio-net-pci,netdev=h1,addr=08.0,mac=52:54:00:00:00:08'],
  ].flat();
}

const cards = {
  'modern split': 'disable-legacy=on',
  'modern packed': 'disable-legacy=on,packed=on',
  transitional: 'disable-legacy=off',
  legacy: 'disable-legacy=off,disable-modern=on',
};
type Card = keyof typeof cards;

function expectCarried(report: PciReport, card: Card): void {
  expect(report).toMatchObject({
    previous: 'virtio-pci',
    modern: card !== 'legacy',
    mac: '52:54:00:00:00:06',
    lost: { toKernel: 0, fromKernel: 0 },
    strangers: 0,
    givenBack: true,
  });
  expect(report.found.map(({ address }) => address)).toContain(ours);
  expect((BigInt(`0x${report.features}`) & RING_PACKED) !== 0n).toBe(card === 'modern packed');
}

describe('without IOMMU, by physical addresses', () => {
  it.each<[string, Card, string, string]>([
    ['uio_pci_generic', 'modern split', 'uio', 'line'],
    ['uio_pci_generic', 'modern packed', 'uio', 'line'],
    ['uio_pci_generic', 'transitional', 'uio', 'line'],
    ['uio_pci_generic', 'legacy', 'uio', 'line'],
    ['none', 'legacy', 'port-io', 'polled'],
    ['none', 'modern split', 'port-io', 'polled'],
  ])('%s, %s: every frame arrives as it went, both ways', async (driver, card, access, interruptMode) => {
    const guest = await runInGuest('pci', {
      arguments: [driver, ours],
      modules: ['net', 'uio'],
      qemu: wire(cards[card]),
    });
    expect(guest.stderr + guest.console).not.toMatch(/Error|panic/);
    const report = JSON.parse(guest.stdout) as PciReport;
    expectCarried(report, card);
    expect(report).toMatchObject({ access, interruptMode });
  });
});

describe('vfio-pci with an IOMMU', () => {
  const iommu = ['-machine', 'kernel-irqchip=split', '-device', 'intel-iommu,intremap=on,device-iotlb=on'];

  it.each<[Card, string, string]>([
    ['modern split', ',iommu_platform=on', 'per-queue'],
    ['modern packed', ',iommu_platform=on', 'per-queue'],
    ['modern split', ',iommu_platform=on,vectors=1', 'shared'],
    ['modern split', ',iommu_platform=on,vectors=0', 'line'],
    ['modern split', '', 'per-queue'],
    ['legacy', '', 'per-queue'],
  ])('%s%s: every frame arrives as it went, both ways', async (card, properties, interruptMode) => {
    const guest = await runInGuest('pci', {
      arguments: ['vfio-pci', ours],
      modules: ['net', 'vfio'],
      kernel: 'intel_iommu=on',
      qemu: [...iommu, ...wire(cards[card] + properties)],
    });
    expect(guest.stderr + guest.console).not.toMatch(/Error|panic/);
    const report = JSON.parse(guest.stdout) as PciReport;
    expectCarried(report, card);
    expect(report).toMatchObject({ access: 'vfio', interruptMode });
  });
});
