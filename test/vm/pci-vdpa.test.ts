// Network cards that work on the rings of vhost-user frontends (vDPA): behind VFIO and an IOMMU, in one boot.
import { beforeAll, expect, it } from 'vitest';
import { type Reports, card, pluggedCard, runSteps } from './pci-guest.ts';

const cards = {
  split: card(8, 'disable-legacy=on,iommu_platform=on'),
  packed: card(9, 'disable-legacy=on,packed=on,iommu_platform=on'),
  'one vector': card(10, 'disable-legacy=on,iommu_platform=on,vectors=1'),
};
const plugged = {
  ...pluggedCard,
  qemu: pluggedCard.qemu.map((word) =>
    word.startsWith('virtio-net-pci,id=plugged') ? `${word},disable-legacy=on,iommu_platform=on` : word,
  ),
};
const suites = Object.keys(cards) as (keyof typeof cards)[];

let reports: Reports;
beforeAll(async () => {
  reports = await runSteps(
    {
      ...Object.fromEntries(
        suites.map((name) => [`suite ${name}`, ['vdpaSuite', cards[name].address] as const]),
      ),
      peers: ['vdpaPeers', cards.split.address],
      'bound elsewhere': ['vdpaTaken', cards.packed.address, 'unbind'],
      'pulled out': ['vdpaTaken', plugged.address, plugged.name],
    },
    [...Object.values(cards), plugged],
    {
      modules: ['net', 'vfio'],
      kernel: 'intel_iommu=on',
      qemu: [
        ['-machine', 'kernel-irqchip=split'],
        ['-device', 'intel-iommu,intremap=on,device-iotlb=on,aw-bits=48'],
      ].flat(),
    },
  );
});

it.each(suites)('%s: ports behind a backend whose card it is pass the suites of vDPA devices', (name) => {
  const { results, givenBack } = reports[`suite ${name}`];
  const entries = Object.entries((results ?? {}) as Readonly<Record<string, string>>);
  expect(entries.filter(([, result]) => result !== 'passed')).toEqual([]);
  expect([entries.length > 40, givenBack]).toEqual([true, true]);
});

it("DPDK's virtio-user sends and receives through the card", () => {
  const { dpdk, givenBack } = reports['peers'] as {
    dpdk: { received: number; sent: number };
    givenBack: boolean;
  };
  expect(dpdk.received).toBeGreaterThan(31);
  expect(dpdk.sent).toBeGreaterThanOrEqual(dpdk.received);
  expect(givenBack).toBe(true);
});

it('a guest is moved: what the card writes is relayed and marked in the log, and goes on afterwards', () => {
  expect(reports['peers']['journey']).toEqual({
    before: 20,
    during: 20,
    after: 20,
    unmarked: 0,
    bases: [60, 60],
  });
});

it('a card that is kept for vDPA has no port, and nothing is left of those it worked for', () => {
  expect(reports['peers']).toMatchObject({ port: 'VIO_PCI_VDPA', leaked: 0 });
});

it('vio backend --vdpa hands frontends to the card', () => {
  expect(reports['peers']['command']).toEqual({ handed: true, same: true, exitCode: 0 });
});

it.each(['bound elsewhere', 'pulled out'])(
  '%s: the card is closed, and who is served is told by name',
  (name) => {
    expect(reports[name]).toMatchObject({
      ended: ['VIO_DEVICE_GONE'],
      down: 'VIO_DEVICE_GONE',
      refused: true,
    });
  },
);
