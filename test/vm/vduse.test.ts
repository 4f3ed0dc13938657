// Cards and a disk that Node processes serve by VDUSE, under the drivers of a stock kernel; its vduse takes no control queue, so that
// several queue pairs are tried with one that does.
import { join } from 'node:path';
import {
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
  VIRTIO_NET_F_HOST_USO,
  VIRTIO_NET_F_MRG_RXBUF,
} from '@vio/net';
import { beforeAll, describe, expect, it } from 'vitest';
import { vioProgram } from '../support/vio-program.ts';
import { repository } from './checkout.ts';
import { reportOf } from './guest.ts';
import type {
  DiskReport,
  FaultsReport,
  LifeReport,
  PacketsReport,
  ProgramReport,
  Step,
} from './guest/vduse.ts';
import type { Steps } from './guest/steps.ts';
import { withControlQueues } from './kernel-module.ts';

const packed = (1n << 34n).toString(16);
const answered = /5 received, 0% packet loss/;
const MiB = 1 << 20;
const example = join(repository, 'examples/vhost-blk/dist/main.js');

const nodes = ['/dev/vduse/va', '/dev/vduse/vb'];
const config = join(import.meta.dirname, 'guest/vduse/switch.yaml');

/** What holds of every card. */
function livesOn(life: () => LifeReport): void {
  it('has them as interfaces of its virtio-net driver, with the addresses and the MTU that were said', () => {
    expect(life().driver).toMatch(/driver: virtio_net/);
    expect(life().link).toMatch(/mtu 1400 .*52:54:00:00:09:00/);
  });

  it('pings by them', () => {
    expect(life().pinged).toMatch(answered);
  });

  it('carries TCP by them, every byte as it went', () => {
    expect(life().echo).toEqual({ sent: MiB, received: MiB, same: true });
  });

  it('goes on when their server is killed in the middle, and another one comes', () => {
    expect(life().survived).toEqual({ sent: 2 * MiB, received: 2 * MiB, same: true });
    expect(life().pingedAfter).toMatch(answered);
  });

  it('has none left when they are off the bus and their server has ended', () => {
    expect([life().code, life().left]).toEqual([0, []]);
  });
}

describe('a stock kernel whose devices are served by VDUSE', () => {
  interface Reports {
    readonly packed: LifeReport;
    readonly split: LifeReport;
    readonly faults: FaultsReport;
    readonly disk: DiskReport;
  }
  let reports: Reports;
  beforeAll(async () => {
    const steps: Steps<Step> = {
      packed: ['life', { pairs: 4 }],
      split: ['life', { pairs: 1, without: packed }],
      faults: ['faults'],
      disk: ['disk', example, join(repository, 'packages/net')],
    };
    reports = await reportOf<Reports>('vduse', {
      modules: ['net', 'disk', 'vduse'],
      arguments: [JSON.stringify(steps)],
      timeout: 400_000,
    });
  });

  describe.each(['packed', 'split'] as const)('with %s rings', (format) => {
    livesOn(() => reports[format]);

    it('has the format it took', () => {
      const formats = [reports[format].before, reports[format].after].map(({ cards }) => cards[0].packed);
      expect(formats).toEqual([format === 'packed', format === 'packed']);
    });
  });

  it('gives a card that asks for several pairs one, and its server is told so', () => {
    const { before, after } = reports.packed;
    const refused = ['VIO_VDUSE_REFUSED', 'VIO_VDUSE_REFUSED'];
    expect([before.told, after.told, before.cards[0].pairs]).toEqual([refused, refused, 1]);
  });

  it('loses a card that is taken off the bus, and has it again when it is put there', () => {
    const { pinged, without, again } = reports.faults;
    expect([pinged, again]).toEqual([expect.stringMatching(answered), expect.stringMatching(answered)]);
    expect(without.cards.length).toBe(1);
    expect(without.told.filter((told) => told !== 'VIO_VDUSE_REFUSED')).toEqual([]);
  });

  it('gives a card up whose server does not answer, which is told so, and makes it anew', () => {
    const { lost, anew, code, left } = reports.faults;
    expect(lost.told.filter((told) => told !== 'VIO_VDUSE_REFUSED')[0]).toBe('VIO_VDUSE_BROKEN');
    expect([anew, code, left]).toEqual([expect.stringMatching(answered), 0, []]);
  });

  it('has a disk, whose file system is right after its server was killed and came back', () => {
    const { was, is, check, code, left } = reports.disk;
    expect(was).toMatch(/^[0-9a-f]{32}/);
    expect(is).toBe(was);
    expect(check).toMatch(/files \([^)]*\), \d+\/\d+ blocks/);
    expect([code, left]).toEqual([0, false]);
  });
});

const takes = VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6;
const ways: Readonly<Record<string, { without: bigint; lastWithout: bigint }>> = {
  'packed rings': { without: 0n, lastWithout: 0n },
  'packed rings, where one takes none': { without: 0n, lastWithout: takes },
  'split rings': { without: 1n << 34n, lastWithout: 0n },
  'split rings without mergeable buffers, where one takes none': {
    without: (1n << 34n) | VIRTIO_NET_F_MRG_RXBUF,
    lastWithout: takes,
  },
};

describe('cards of a stock kernel, whose packets of datagrams (USO) are switched by', () => {
  let reports: Readonly<Record<string, PacketsReport>>;
  beforeAll(async () => {
    const steps: Record<string, Step> = {};
    for (const [name, { without, lastWithout }] of Object.entries(ways)) {
      const masks = { without: without.toString(16), lastWithout: lastWithout.toString(16) };
      steps[name] = ['datagrams', { pairs: 1, ...masks }];
    }
    const all: Steps<Step> = steps;
    reports = await reportOf('vduse', {
      modules: ['net', 'vduse'],
      arguments: [JSON.stringify(all)],
      timeout: 400_000,
    });
  });

  it.each(Object.entries(ways))(
    '%s: every datagram comes as it went, there and back',
    (name, { lastWithout }) => {
      const { there, back, server, code } = reports[name];
      const has = (features: string, bit: bigint): boolean => (BigInt(`0x${features}`) & bit) !== 0n;
      // Of each card: it leaves datagrams to be made, and takes packets of them.
      expect(
        server.cards.map(({ features }) => [VIRTIO_NET_F_HOST_USO, takes].map((bit) => has(features, bit))),
      ).toEqual([
        [true, true],
        [true, lastWithout === 0n],
      ]);
      expect(server.packetsOfDatagrams).toBe(2);
      const lengths = [...Array.from({ length: 16 }, () => 1200), 800];
      expect([there, back]).toEqual([
        { lengths, same: true, wrong: 0 },
        { lengths, same: true, wrong: 0 },
      ]);
      // The control queue of several pairs is all that this kernel refuses.
      expect([server.told.filter((told) => told !== 'VIO_VDUSE_REFUSED'), code]).toEqual([[], 0]);
    },
  );
});

describe('a stock kernel that has cards of', () => {
  let reports: Readonly<Record<string, ProgramReport>>;
  beforeAll(async () => {
    const steps: Steps<Step> = {
      backend: ['program', [vioProgram, 'backend', '/dev/vduse/va', '--forward-mode', 'icmpecho'], 1],
      'l2-switch': ['program', [join(repository, 'examples/l2-switch/dist/main.js'), ...nodes], 2],
      switch: ['program', [vioProgram, 'switch', 'run', '--config', config], 2],
    };
    reports = await reportOf('vduse', {
      modules: ['net', 'vduse'],
      arguments: [JSON.stringify(steps)],
      timeout: 400_000,
    });
  });

  it.each(['backend', 'l2-switch', 'switch'])('%s', (name) => {
    const { pinged, code, left } = reports[name];
    expect([pinged, code, left]).toEqual([expect.stringMatching(answered), 0, []]);
  });
});

describe('a kernel that takes VDUSE cards with a control queue', () => {
  let reports: Readonly<Record<'packed' | 'split', LifeReport>>;
  beforeAll(async () => {
    const steps: Steps<Step> = {
      packed: ['life', { pairs: 4 }],
      split: ['life', { pairs: 4, without: packed }],
    };
    reports = await reportOf('vduse', {
      modules: ['net', 'vduse'],
      arguments: [JSON.stringify(steps)],
      changes: { vduse: withControlQueues },
      timeout: 400_000,
    });
  });

  describe.each(['packed', 'split'] as const)('with %s rings', (format) => {
    livesOn(() => reports[format]);

    it('uses four pairs of a card, and still does when its server was killed and came back', () => {
      const { channels, before, after } = reports[format];
      expect(channels).toMatch(/Combined:\s+4\n(.|\n)*Combined:\s+4\n/);
      expect([before.cards.map(({ pairs }) => pairs), before.told]).toEqual([[4, 4], []]);
      expect([after.cards.map(({ pairs }) => pairs), after.told]).toEqual([[4, 4], []]);
    });

    it('sends by all of them', () => {
      const [{ received }] = reports[format].after.cards;
      expect(received.filter((packets) => packets > 0)).toHaveLength(4);
    });
  });
});
