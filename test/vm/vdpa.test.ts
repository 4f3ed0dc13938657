// A port on the real vhost-vdpa of a stock kernel. The card behind it is a process (VDUSE) that sends everything back.
import { describe, expect, it } from 'vitest';
import type { CardOptions, CardReport } from './guest/vduse-process.ts';
import { runInGuest } from './guest.ts';

const VERSION_1 = 1n << 32n;
const ACCESS_PLATFORM = 1n << 33n;
const RING_PACKED = 1n << 34n;
const IN_ORDER = 1n << 35n;
const INDIRECT_DESC = 1n << 28n;
const MRG_RXBUF = 1n << 15n;
const MAC = 1n << 5n;
const MTU = 1n << 3n;
const STATUS = 1n << 16n;
const MQ = 1n << 22n;

const offered =
  VERSION_1 | ACCESS_PLATFORM | RING_PACKED | IN_ORDER | INDIRECT_DESC | MRG_RXBUF | MAC | MTU | STATUS;

const card = (more: Partial<CardOptions> = {}): CardOptions => ({
  name: 'vd0',
  features: offered.toString(16),
  pairs: 1,
  mac: '52:54:00:00:00:77',
  ...more,
});

interface TrafficReport {
  readonly results: readonly {
    readonly pairs: readonly { readonly received: number; readonly same: boolean }[];
    readonly mac: string;
    readonly features: string;
  }[];
  readonly report: CardReport;
  readonly nodes: readonly string[];
}

async function traffic(devargs: string, options: CardOptions, frames: number, rounds: number) {
  const guest = await runInGuest('vdpa', {
    modules: ['vdpa'],
    arguments: [devargs, JSON.stringify(options), String(frames), String(rounds)],
  });
  expect(guest.stderr + guest.console).not.toMatch(/Error|panic/);
  return JSON.parse(guest.stdout) as TrafficReport;
}

describe('a port on a vDPA card', () => {
  it.each([
    ['packed_vq=0', 0n, RING_PACKED],
    ['packed_vq=0,in_order=0,mrg_rxbuf=0', 0n, IN_ORDER | MRG_RXBUF],
    ['packed_vq=1,queue_size=64', RING_PACKED, 0n],
    ['packed_vq=1,in_order=0,mrg_rxbuf=0', RING_PACKED, IN_ORDER | MRG_RXBUF],
  ])('%s: every frame comes back as it went, and again after a restart', async (devargs, has, hasNot) => {
    const { results, report, nodes } = await traffic(devargs, card(), 150, 2);
    for (const { pairs, mac, features } of results) {
      expect(pairs).toEqual([{ received: 150, same: true }]);
      expect(mac).toBe('52:54:00:00:00:77');
      expect(BigInt(`0x${features}`) & (has | hasNot)).toBe(has);
    }
    expect(report.looped).toBe(300);
    expect(nodes).toEqual([]);
  });

  it('goes through the status bits in order, with the features it took, and resets the card in the end', async () => {
    const { report } = await traffic('in_order=0', card(), 1, 1);
    // The kernel resets a card when it is opened and when it is closed, the port before it closes.
    expect(report.statuses).toEqual([0, 3, 11, 15, 0, 0]);
    expect(BigInt(`0x${report.features}`)).toBe(
      VERSION_1 | ACCESS_PLATFORM | INDIRECT_DESC | MRG_RXBUF | MAC | STATUS,
    );
  });

  it('uses several queue pairs of a card without a control queue', async () => {
    const options = card({ features: (offered | MQ).toString(16), pairs: 4 });
    const { results, report } = await traffic('queues=4', options, 50, 1);
    expect(results[0].pairs).toEqual(Array.from({ length: 4 }, () => ({ received: 50, same: true })));
    expect(report.looped).toBe(200);
  });
});
