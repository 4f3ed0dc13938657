// Ports on QEMU's network cards, driven from user space; the kernel drives the card at the other end of the wire. All
// cases of a describe share one boot.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Steps } from './guest/pci.ts';
import { type Card, type Reports, card, runSteps } from './pci-guest.ts';

const RING_PACKED = 1n << 34n;
const transferred = 1 << 19;

/** A port carried frames both ways, and the card works with the kernel's driver again. */
function expectCarried(report: Reports[string], { address, mac }: Card, kind: Kind): void {
  expect(report).toMatchObject({
    previous: 'virtio-pci',
    found: expect.arrayContaining([address]) as string[],
    mac,
    modern: kind !== 'legacy',
    lost: { toKernel: 0, fromKernel: 0 },
    strangers: 0,
    givenBack: true,
  });
  const packed = (BigInt(`0x${String(report['features'])}`) & RING_PACKED) !== 0n;
  expect(packed).toBe(kind === 'packed');
}

/** TCP went through both cards and came back, and every byte with it. */
const carriedTcp = (access: string): object => ({
  sent: transferred,
  received: transferred,
  same: true,
  access: [access, access],
  givenBack: true,
});

type Kind = 'split' | 'packed' | 'transitional' | 'legacy';

describe('without IOMMU, by physical addresses', () => {
  const cards = {
    split: card(8, 'disable-legacy=on'),
    packed: card(9, 'disable-legacy=on,packed=on'),
    transitional: card(10, 'disable-legacy=off'),
    legacy: card(11, 'disable-legacy=off,disable-modern=on'),
  };
  const drivers = ['uio_pci_generic', 'none'] as const;
  const carries = drivers.flatMap((driver) =>
    (Object.keys(cards) as Kind[]).map((kind) => [driver, kind] as const),
  );
  const transfers = drivers.flatMap((driver) =>
    [['split', 'packed'] as const, ['legacy', 'packed'] as const].map((ends) => [driver, ...ends] as const),
  );
  let reports: Reports;
  beforeAll(async () => {
    const steps: Record<string, Steps[string]> = {};
    for (const [driver, kind] of carries) {
      steps[`carry ${driver} ${kind}`] = ['carry', cards[kind].address, driver];
    }
    for (const [driver, a, b] of transfers) {
      steps[`transfer ${driver} ${a} ${b}`] = [
        'transfer',
        cards[a].address,
        cards[b].address,
        driver,
        transferred,
      ];
    }
    reports = await runSteps(steps, Object.values(cards), { modules: ['net', 'uio'] });
  });

  it.each(carries)('%s, %s: every frame arrives as it went, both ways', (driver, kind) => {
    const report = reports[`carry ${driver} ${kind}`];
    expectCarried(report, cards[kind], kind);
    const expected =
      driver === 'none'
        ? { access: 'port-io', interruptMode: 'polled' }
        : { access: 'uio', interruptMode: 'line' };
    expect(report).toMatchObject(expected);
  });

  it.each(transfers)('%s: TCP through a %s and a %s card comes back bit by bit', (driver, a, b) => {
    const access = driver === 'none' ? 'port-io' : 'uio';
    expect(reports[`transfer ${driver} ${a} ${b}`]).toMatchObject(carriedTcp(access));
  });
});

describe('vfio-pci with an IOMMU', () => {
  const iommu = ['-machine', 'kernel-irqchip=split', '-device', 'intel-iommu,intremap=on,device-iotlb=on'];
  const cards = {
    split: card(8, 'disable-legacy=on,iommu_platform=on'),
    packed: card(9, 'disable-legacy=on,packed=on,iommu_platform=on'),
    legacy: card(10, 'disable-legacy=off,disable-modern=on'),
    'past the IOMMU': card(11, 'disable-legacy=on'),
    'one vector': card(12, 'disable-legacy=on,iommu_platform=on,vectors=1'),
    'no vector': card(13, 'disable-legacy=on,iommu_platform=on,vectors=0'),
  };
  const carries: [keyof typeof cards, Kind, string][] = [
    ['split', 'split', 'per-queue'],
    ['packed', 'packed', 'per-queue'],
    ['legacy', 'legacy', 'per-queue'],
    ['past the IOMMU', 'split', 'per-queue'],
    ['one vector', 'split', 'shared'],
    ['no vector', 'split', 'line'],
  ];
  const transfers: [keyof typeof cards, keyof typeof cards][] = [
    ['split', 'packed'],
    ['legacy', 'packed'],
  ];
  let reports: Reports;
  beforeAll(async () => {
    const steps: Record<string, Steps[string]> = {};
    for (const [name] of carries) steps[`carry ${name}`] = ['carry', cards[name].address, 'vfio-pci'];
    for (const [a, b] of transfers) {
      steps[`transfer ${a} ${b}`] = ['transfer', cards[a].address, cards[b].address, 'vfio-pci', transferred];
    }
    reports = await runSteps(steps, Object.values(cards), {
      modules: ['net', 'vfio'],
      kernel: 'intel_iommu=on',
      qemu: iommu,
    });
  });

  it.each(carries)('%s: every frame arrives as it went, both ways', (name, kind, interruptMode) => {
    expectCarried(reports[`carry ${name}`], cards[name], kind);
    expect(reports[`carry ${name}`]).toMatchObject({ access: 'vfio', interruptMode });
  });

  it.each(transfers)('TCP through a %s and a %s card comes back bit by bit', (a, b) => {
    expect(reports[`transfer ${a} ${b}`]).toMatchObject(carriedTcp('vfio'));
  });
});
