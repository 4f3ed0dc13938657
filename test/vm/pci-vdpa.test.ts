// Network cards that work on the rings of vhost-user frontends (vDPA), behind VFIO and an IOMMU.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Steps } from './guest/pci.ts';
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
const names = Object.keys(cards) as (keyof typeof cards)[];

const run = (steps: Steps): Promise<Reports> =>
  runSteps(steps, [...Object.values(cards), plugged], {
    modules: ['net', 'vfio'],
    kernel: 'intel_iommu=on',
    qemu: [
      ['-machine', 'kernel-irqchip=split'],
      ['-device', 'intel-iommu,intremap=on,device-iotlb=on,aw-bits=48'],
    ].flat(),
  });

/** Tests of a suite that did not pass, and how many there are. */
function outcome(report: Reports[string]): unknown {
  const { results, givenBack, failed } = report;
  const entries = Object.entries((results ?? {}) as Readonly<Record<string, string>>);
  return {
    failed,
    wrong: entries.filter(([, result]) => result !== 'passed'),
    count: entries.length,
    givenBack,
  };
}
const passed = (count: number): object => ({ failed: undefined, wrong: [], count, givenBack: true });

describe('a card that works for the frontends of a backend', () => {
  let reports: Reports;
  beforeAll(async () => {
    reports = await run({
      peers: ['vdpaPeers', cards.split.address],
      'bound elsewhere': ['vdpaTaken', cards.packed.address, 'unbind'],
      'pulled out': ['vdpaTaken', plugged.address, plugged.name],
      ...Object.fromEntries(
        names.map((name) => [`suite ${name}`, ['vdpaSuite', cards[name].address, false] as const]),
      ),
    });
  });

  it.each(names)('passes the suite of vDPA devices: %s', (name) => {
    expect(outcome(reports[`suite ${name}`])).toEqual(passed(7));
  });

  it("carries frames of DPDK's virtio-user, both ways", () => {
    const { dpdk, givenBack } = reports['peers'];
    expect(reports['peers']).not.toHaveProperty('failed');
    expect(dpdk).toMatchObject({ more: true });
    expect(givenBack).toBe(true);
  });

  it('is relayed while a guest is moved: what it writes is marked in the log, and it goes on afterwards', () => {
    expect(reports['peers']['journey']).toEqual({
      before: 20,
      during: 20,
      after: 20,
      unmarked: 0,
      bases: [60, 60],
    });
  });

  it('has no port while it is kept for vDPA, and leaves nothing behind', () => {
    expect(reports['peers']).toMatchObject({ port: 'VIO_PCI_VDPA', leaked: 0 });
  });

  it('is named on the command line', () => {
    expect(reports['peers']['command']).toEqual({ handed: true, same: true, exitCode: 0 });
  });

  it.each(['bound elsewhere', 'pulled out'])(
    'is closed when it is %s, and who is served is told by name',
    (name) => {
      expect(reports[name]).toMatchObject({
        ended: ['VIO_DEVICE_GONE'],
        down: 'VIO_DEVICE_GONE',
        refused: true,
      });
    },
  );
});

describe('ports behind a backend', () => {
  it('pass the suites of devices when a card works for them', async () => {
    const reports = await run({ whole: ['vdpaSuite', cards.split.address, true] });
    expect(outcome(reports['whole'])).toMatchObject({ failed: undefined, wrong: [], givenBack: true });
  }, 480_000);
});
