// virtio-net over PCI: several queue pairs, jumbo frames, checksums and segments left to the device, in every row of
// registers and access. One boot, with cards on taps of this machine.
import { beforeAll, expect, it } from 'vitest';
import { vioProgram } from '../support/vio-program.ts';
import type { Steps } from './guest/pci.ts';
import { type Reports, carriedTcp, runSteps, tapCards, transferred } from './pci-guest.ts';

const split = '0000:00:08.0';
const packed = '0000:00:09.0';
const legacy = '0000:00:0a.0';
/** Its memory is what the IOMMU says. */
const translated = '0000:00:0b.0';
const { cards, network } = tapCards(
  {
    8: 'disable-legacy=on,rss=on,hash=on,speed=10000,duplex=full,host_mtu=9000',
    9: 'disable-legacy=on,packed=on',
    10: 'disable-legacy=off,disable-modern=on',
    11: 'disable-legacy=on,iommu_platform=on',
  },
  4,
);
const drivers = [
  ['vfio-pci', 'vfio'],
  ['uio_pci_generic', 'uio'],
  ['none', 'port-io'],
] as const;
const pairs = { 'split and packed': [split, packed], 'legacy and packed': [legacy, packed] } as const;
const rows = drivers.flatMap(([driver, access]) =>
  (Object.keys(pairs) as (keyof typeof pairs)[]).map((name) => [driver, name, access] as const),
);
const jumbo = { bytes: transferred, mtu: 9000 };
const checksum = { bytes: transferred, offloads: { rxChecksum: true, txChecksum: true } };
const segments = { bytes: transferred, offloads: { lro: true, tso: true } };

let reports: Reports;
beforeAll(async () => {
  const steps: Record<string, Steps[string]> = {
    queues: ['queues', split, 'vfio-pci', 4],
    'queues of a packed device': ['queues', packed, 'uio_pci_generic', 2],
    'queues of a card that works for a frontend': ['vdpaQueues', translated, 4],
    'scaling at the prompt': ['scaling', split, 'vfio-pci', vioProgram, 4],
    jumbo: ['transfer', split, legacy, 'vfio-pci', jumbo],
    checksum: ['transfer', split, legacy, 'uio_pci_generic', checksum],
  };
  for (const [driver, name] of rows)
    steps[`${driver}, ${name}`] = ['transfer', ...pairs[name], driver, segments];
  reports = await runSteps(steps, cards, {
    modules: ['net', 'vfio', 'uio'],
    kernel: 'intel_iommu=on',
    network,
    qemu: ['-machine', 'kernel-irqchip=split', '-device', 'intel-iommu,intremap=on,device-iotlb=on'],
  });
});

it.each(rows)(
  '%s, %s: segments travel put together, both ways, and every byte comes back as it went',
  (driver, name, access) => {
    const report = reports[`${driver}, ${name}`];
    expect(report).toMatchObject(carriedTcp(access));
    expect(Math.min(...(report['large'] as number[]))).toBeGreaterThan(0);
  },
);

it('frames of 9000 bytes travel over several buffers', () => {
  expect(reports['jumbo']).toMatchObject(carriedTcp('vfio'));
  expect(Math.min(...(reports['jumbo']['large'] as number[]))).toBeGreaterThan(0);
});

it('checksums are left to the devices without segments being so', () => {
  expect(reports['checksum']).toMatchObject({ ...carriedTcp('uio'), large: [0, 0] });
});

it('the device says its speed, duplex and MTU', () => {
  expect(reports['queues']).toMatchObject({ speed: 10000, duplex: 'full', mtu: 9000 });
});

it('every queue pair carries frames; the control queue says how many are used, and receive side scaling which', () => {
  expect(reports['queues']).toMatchObject({
    interruptMode: 'per-queue',
    rss: { keyBytes: 40, tableEntries: 128 },
    report: {
      transmitted: [0, 1, 2, 3],
      'one pair': [0],
      'all to 0': [0],
      'all to 1': [1],
      'all to 2': [2],
      'all to 3': [3],
      spread: [0, 1, 2, 3],
    },
    givenBack: true,
  });
});

it('a packed device has several queue pairs too, where one interrupt serves all', () => {
  expect(reports['queues of a packed device']).toMatchObject({
    interruptMode: 'line',
    rss: null,
    report: { transmitted: [0, 1], 'one pair': [0] },
    givenBack: true,
  });
});

it('a card that works for the frontend of a backend (vDPA) has its queue pairs as well, used as its driver says', () => {
  expect(reports['queues of a card that works for a frontend']).toMatchObject({
    queueNum: 4,
    report: { transmitted: [0, 1, 2, 3], 'one pair': [0] },
    givenBack: true,
  });
});

it('receive-side scaling is asked for at the prompt: hash types, key and table', () => {
  expect(reports['scaling at the prompt']).toEqual({
    came: { 'all to 2': [2], spread: [0, 1, 2, 3] },
    exitCode: 0,
    givenBack: true,
  });
});
