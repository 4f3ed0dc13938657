// Ports on QEMU's network cards, driven from user space; the kernel drives the card at the other end of the wire. All
// cases of a describe share one boot.
import { beforeAll, describe, expect, it } from 'vitest';
import { vioProgram } from '../support/vio-program.ts';
import type { Steps } from './guest/pci.ts';
import {
  type Card,
  type Reports,
  card,
  carriedTcp,
  pluggedCard,
  runSteps,
  transferred,
} from './pci-guest.ts';

const RING_PACKED = 1n << 34n;

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

const linkHeard = (interruptMode: string): object => ({
  interruptMode,
  states: [{ up: false }, { up: true }],
  givenBack: true,
});

const resetAndBack = {
  reason: 'VIO_PCI_NEEDS_RESET',
  afterwards: 'VIO_LINK_DOWN',
  worksAgain: true,
  givenBack: true,
};

const goneUnderLoad = (access: string): object => ({
  access,
  sentBefore: true,
  reason: 'VIO_DEVICE_GONE',
  afterwards: 'VIO_LINK_DOWN',
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
  // Without a driver a transitional card is what a modern one is.
  const carries = drivers.flatMap((driver) =>
    (Object.keys(cards) as Kind[])
      .filter((kind) => driver !== 'none' || kind !== 'transitional')
      .map((kind) => [driver, kind] as const),
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
        { bytes: transferred },
      ];
    }
    const { split, packed, legacy } = cards;
    Object.assign(steps, {
      'link uio': ['link', split.address, 'uio_pci_generic', split.name],
      'link none': ['link', legacy.address, 'none', legacy.name],
      refusals: ['refusals', split.address, 'uio_pci_generic'],
      'needs reset': ['needsReset', split.address, 'uio_pci_generic'],
      'filters split': ['filters', split.address, 'uio_pci_generic'],
      'filters packed': ['filters', packed.address, 'uio_pci_generic'],
      'filters legacy': ['filters', legacy.address, 'uio_pci_generic'],
      'example with two cards': ['example', 'uio_pci_generic', split.address, packed.address, transferred],
      'example with a card and a virtio-user port': [
        'example',
        'uio_pci_generic',
        legacy.address,
        'tap7',
        transferred,
      ],
      'power-forward': ['power', 'uio_pci_generic', split.address, packed.address, transferred],
      devbind: ['devbind', split.address, 'uio_pci_generic'],
      console: ['console', packed.address, 'uio_pci_generic', vioProgram],
      compliance: ['compliance', packed.address, 'uio_pci_generic'],
      'split, restarted': ['carry', split.address, 'uio_pci_generic', true],
      'packed, restarted': ['carry', packed.address, 'uio_pci_generic', true],
      leaks: ['leaks', split.address, 'uio_pci_generic'],
      'uio killed': ['death', packed.address, 'uio_pci_generic', 'killed'],
      'none killed': ['death', packed.address, 'none', 'killed'],
      'none at its exit': ['death', packed.address, 'none', 'exits'],
      'unplug uio': ['unplug', pluggedCard.address, 'uio_pci_generic', pluggedCard.name],
      'remove uio': ['unplug', split.address, 'uio_pci_generic', 'sysfs'],
      'remove none': ['unplug', legacy.address, 'none', 'sysfs'],
    } satisfies Steps);
    reports = await runSteps(steps, [...Object.values(cards), pluggedCard], { modules: ['net', 'uio'] });
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

  it.each(['split', 'packed', 'legacy'])('%s: the control queue says which frames arrive', (kind) => {
    expect(reports[`filters ${kind}`]).toEqual({
      report: {
        'at first': 'own other multicast tagged',
        'not promiscuous': 'own',
        'MAC table': 'own other multicast',
        'empty MAC table': 'own',
        'all multicast': 'own multicast',
        'not all multicast': 'own',
        VLAN: 'own tagged',
        'no VLAN': 'own',
        'another address': 'other',
        promiscuous: 'own other multicast tagged',
      },
      announced: true,
      givenBack: true,
    });
  });

  it.each([
    ['uio', 'line'],
    ['none', 'polled'],
  ])('%s: set_link is heard, link down and up, %s', (how, interruptMode) => {
    expect(reports[`link ${how}`]).toEqual(linkHeard(interruptMode));
  });

  it('names what keeps a card from being opened', () => {
    expect(reports['refusals']).toEqual({
      missing: 'VIO_PCI_MISSING',
      wrongDriver: 'VIO_PCI_WRONG_DRIVER',
      notVirtio: 'VIO_PCI_NOT_VIRTIO',
      busy: 'not told',
      withoutPermission: 'VIO_PCI_PERMISSION',
      givenBack: true,
    });
  });

  it('a port leaves nothing behind, opened and closed or refused many times', () => {
    const { before, after, refused, givenBack } = reports['leaks'];
    expect([after, refused, givenBack]).toEqual([before, 26, true]);
  });

  it('a device that asks for a reset takes the link down by name, and works after one', () => {
    expect(reports['needs reset']).toEqual(resetAndBack);
  });

  it.each(['split', 'packed'] as const)('%s: queues carry frames after a reset of their own', (kind) => {
    expectCarried(reports[`${kind}, restarted`], cards[kind], kind);
    expect(reports[`${kind}, restarted`]).not.toHaveProperty('failed');
  });

  it.each(['two cards', 'a card and a virtio-user port'])(
    'the example pci-forward carries TCP: %s',
    (ends) => {
      const report = reports[`example with ${ends}`];
      expect(report).toMatchObject({
        sent: transferred,
        received: transferred,
        same: true,
        exitCode: 0,
        givenBack: true,
      });
      expect(Math.min(...(report['forwarded'] as number[]))).toBeGreaterThan(100);
    },
  );

  it('the example power-forward carries TCP between the cards that it finds, and sleeps in between', () => {
    const { told, ...report } = reports['power-forward'];
    expect(report).toEqual({
      sent: transferred,
      received: transferred,
      same: true,
      exitCode: 0,
      ways: ['port 0 queue 0 -> port 1', 'port 1 queue 0 -> port 0'],
      givenBack: true,
    });
    const [frames, ipv4, slept] = told as number[];
    expect([frames > 100, ipv4 > 100, slept > 0]).toEqual([true, true, true]);
  });

  it('a card passes the suites of devices and ports', () => {
    const { results, givenBack } = reports['compliance'];
    const entries = Object.entries(results as Readonly<Record<string, string>>);
    expect(entries.filter(([, result]) => result !== 'passed')).toEqual([]);
    expect([entries.length, givenBack]).toEqual([39, true]);
  });

  it('vio devbind refuses a card in use, and takes it by force; run, inspect and doctor use it then', () => {
    const { address } = cards.split;
    const bound = (driver: string, previous: string) => ({
      exitCode: 0,
      said: [{ type: 'bound', address, driver, previous }],
      driver,
    });
    expect(reports['devbind']).toMatchObject({
      inUse: { exitCode: 1, said: [{ type: 'error', code: 'VIO_PCI_IN_USE' }], driver: 'virtio-pci' },
      forced: bound('uio_pci_generic', 'virtio-pci'),
      used: {
        doctor: expect.stringMatching(
          /ok +access: uio, modern registers[^]*ok +start: a port starts/,
        ) as string,
        inspect: expect.stringMatching(/VERSION_1[^]*Rx: split/) as string,
        run: 0,
      },
      givenBack: true,
    });
  });

  it("vio run's prompt, telemetry, metrics and page show one port on a card, and the same of it", () => {
    const { sent = [], ...rest } = reports['console'];
    const [prompt, ...others] = sent as number[];
    expect(others).toEqual([prompt, prompt, prompt]);
    expect(rest).toEqual({
      mac: cards.packed.mac,
      kernelGot: true,
      kind: 'port',
      rings: 2,
      page: '<title>vio</title>',
      exitCode: 0,
      givenBack: true,
    });
  });

  it.each([
    ['uio killed', false],
    ['none killed', true],
    ['none at its exit', false],
  ])('%s: whether a device still reaches memory after the end of its process: %s', (name, after) => {
    expect(reports[name]).toEqual({ before: true, after, givenBack: true });
  });

  it.each([
    ['unplug uio', 'uio'],
    ['remove uio', 'uio'],
    ['remove none', 'port-io'],
  ])(
    '%s: a card that goes away under load is a link event by name, and the process lives on',
    (name, access) => {
      expect(reports[name]).toEqual(goneUnderLoad(access));
    },
  );
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
      steps[`transfer ${a} ${b}`] = [
        'transfer',
        cards[a].address,
        cards[b].address,
        'vfio-pci',
        { bytes: transferred },
      ];
    }
    const [first] = Object.values(cards);
    for (const name of ['split', 'one vector', 'no vector'] as const) {
      steps[`link ${name}`] = ['link', cards[name].address, 'vfio-pci', cards[name].name];
    }
    Object.assign(steps, {
      refusals: ['refusals', first.address, 'vfio-pci'],
      'needs reset': ['needsReset', first.address, 'vfio-pci'],
      leaks: ['leaks', first.address, 'vfio-pci'],
      death: ['death', first.address, 'vfio-pci', 'killed'],
      'without VFIO': ['carry', cards.packed.address, 'uio_pci_generic'],
      unplug: ['unplug', pluggedCard.address, 'vfio-pci', pluggedCard.name],
      remove: ['unplug', first.address, 'vfio-pci', 'sysfs'],
    } satisfies Steps);
    reports = await runSteps(steps, [...Object.values(cards), pluggedCard], {
      modules: ['net', 'vfio', 'uio'],
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

  it.each([
    ['split', 'per-queue'],
    ['one vector', 'shared'],
    ['no vector', 'line'],
  ])('%s: set_link is heard by interrupt, link down and up, %s', (name, interruptMode) => {
    expect(reports[`link ${name}`]).toEqual(linkHeard(interruptMode));
  });

  it('names what keeps a card from being opened', () => {
    expect(reports['refusals']).toMatchObject({
      busy: 'VIO_PCI_BUSY',
      withoutPermission: 'VIO_PCI_PERMISSION',
      givenBack: true,
    });
  });

  it('a port leaves nothing behind, opened and closed or refused many times', () => {
    const { before, after, refused, givenBack } = reports['leaks'];
    expect([after, refused, givenBack]).toEqual([before, 26, true]);
  });

  it('a device that asks for a reset takes the link down by name, and works after one', () => {
    expect(reports['needs reset']).toEqual(resetAndBack);
  });

  it('names the IOMMU that nothing but VFIO gets past', () => {
    expect(reports['without VFIO']).toEqual({
      failed: expect.stringMatching(/^VIO_PCI_DMA: an IOMMU stands/) as string,
    });
  });

  it('a device does not reach memory after its process was killed', () => {
    expect(reports['death']).toEqual({ before: true, after: false, givenBack: true });
  });

  it.each(['unplug', 'remove'])(
    '%s: a card that goes away under load is a link event by name, and the process lives on',
    (name) => {
      expect(reports[name]).toEqual(goneUnderLoad('vfio'));
    },
  );
});
