// A port on the real vhost-vdpa of a stock kernel. The card behind it is a process (VDUSE) that sends everything back.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Steps } from './guest/steps.ts';
import type { Step } from './guest/vdpa.ts';
import type { Traffic } from './guest/vdpa/traffic.ts';
import type { CardOptions, CardReport } from './guest/vdpa/vduse-process.ts';
import { reportOf } from './guest.ts';

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

const restarts = [
  ['packed_vq=0', 0n, RING_PACKED],
  ['packed_vq=0,in_order=0,mrg_rxbuf=0', 0n, IN_ORDER | MRG_RXBUF],
  ['packed_vq=1,queue_size=64', RING_PACKED, 0n],
  ['packed_vq=1,in_order=0,mrg_rxbuf=0', RING_PACKED, IN_ORDER | MRG_RXBUF],
] as const;

const pairs = 'queues=4,queue_size=64';
const status = 'in_order=0,queue_size=64';

describe('a port on a vDPA card', () => {
  let reports: Record<string, TrafficReport>;
  let faults: object;
  let compliance: { readonly results: Readonly<Record<string, string>> };

  beforeAll(async () => {
    const traffic: Traffic[] = [
      ...restarts.map(([devargs]) => ({ devargs, card: card(), frames: 150, rounds: 2 })),
      { devargs: status, card: card(), frames: 1, rounds: 1 },
      {
        devargs: pairs,
        card: card({ features: (offered | MQ).toString(16), pairs: 4 }),
        frames: 50,
        rounds: 1,
      },
    ];
    const steps: Record<string, Step> = Object.fromEntries(
      traffic.map((each) => [each.devargs, ['traffic', each]]),
    );
    steps['compliance'] = ['compliance', card()];
    steps['faults'] = ['faults'];
    const all: Steps<Step> = steps;
    const {
      faults: met,
      compliance: complied,
      ...carried
    } = await reportOf<Record<string, TrafficReport> & { readonly compliance: typeof compliance }>('vdpa', {
      modules: ['vdpa'],
      arguments: [JSON.stringify(all)],
      timeout: 360_000,
    });
    reports = carried;
    faults = met;
    compliance = complied;
  });

  it.each(restarts)(
    '%s: every frame comes back as it went, and again after a restart',
    (devargs, has, hasNot) => {
      const { results, report, nodes } = reports[devargs];
      expect(results).toHaveLength(2);
      for (const result of results) {
        expect(result.pairs).toEqual([{ received: 150, same: true }]);
        expect(result.mac).toBe('52:54:00:00:00:77');
        expect(BigInt(`0x${result.features}`) & (has | hasNot)).toBe(has);
      }
      expect(report.looped).toBe(300);
      expect(nodes).toEqual([]);
    },
  );

  it('passes the suites of devices and ports', () => {
    const { results } = compliance;
    expect(Object.entries(results).filter(([, result]) => result !== 'passed')).toEqual([]);
    expect(Object.keys(results)).toHaveLength(39);
  });

  it('goes through the status bits in order, with the features it took, and resets the card in the end', () => {
    const { report } = reports[status];
    // The kernel resets a card when it is opened and when it is closed, the port before it closes.
    expect(report.statuses).toEqual([0, 3, 11, 15, 0, 0]);
    expect(BigInt(`0x${report.features}`)).toBe(
      VERSION_1 | ACCESS_PLATFORM | INDIRECT_DESC | MRG_RXBUF | MAC | STATUS | MTU,
    );
  });

  it('says by name what is wrong, follows the link of the card, and needs no more than a descriptor', () => {
    expect(faults).toEqual({
      codes: {
        'no card': 'VIO_VDPA_UNAVAILABLE',
        'another kind of device': 'VIO_VDPA_NOT_NET',
        'a card that refuses its features': 'VIO_FEATURES_REFUSED',
        'a card that does not start': 'VIO_VDPA_UNRESPONSIVE',
        'packed rings': 'VIO_FEATURE_MISSING',
        'rings too long': 'VIO_QUEUE_SIZE',
        'pairs too many': 'VIO_QUEUE_COUNT',
        'another address': 'VIO_VDPA_MAC',
        'a card that is taken': 'VIO_VDPA_BUSY',
        'a card that is deleted': 'VIO_VDPA_GONE',
        'a card that hangs': 'VIO_VDPA_UNRESPONSIVE',
      },
      links: [false, true],
      leaks: 0,
      unprivileged: { code: 'VIO_VDPA_PERMISSION', received: 5, same: true },
    });
  });

  it('uses several queue pairs of a card without a control queue', () => {
    const { results, report } = reports[pairs];
    expect(results[0].pairs).toEqual(Array.from({ length: 4 }, () => ({ received: 50, same: true })));
    expect(report.looped).toBe(200);
  });
});

describe('a vDPA card that works for the frontends of a backend', () => {
  let report: Readonly<Record<string, unknown>>;
  let several: unknown;

  beforeAll(async () => {
    const steps: Steps<Step> = {
      served: ['served', card()],
      several: ['servedPairs', card({ features: (offered | MQ).toString(16), pairs: 4 })],
    };
    const met = await reportOf<{ readonly served: typeof report; readonly several: unknown }>('vdpa', {
      modules: ['vdpa'],
      arguments: [JSON.stringify(steps)],
      timeout: 200_000,
    });
    report = met.served;
    several = met.several;
  });

  it('passes the suite of such devices', () => {
    const entries = Object.entries((report['results'] ?? {}) as Readonly<Record<string, string>>);
    expect(entries.filter(([, result]) => result !== 'passed')).toEqual([]);
    expect(entries).toHaveLength(7);
  });

  it("is another process's to have while it does", () => {
    expect(report['taken']).toBe('VIO_VDPA_BUSY');
  });

  it('is named on the command line', () => {
    expect(report['command']).toEqual({ handed: true, same: true, exitCode: 0 });
  });

  it('works on all its queue pairs', () => {
    const each = { received: 50, same: true };
    expect(several).toEqual({ queueNum: 4, pairs: [each, each, each, each], looped: 200, nodes: [] });
  });

  it('is relayed while a guest is moved: what it writes is marked, and it goes on afterwards', () => {
    expect(report['journey']).toEqual({ before: 20, during: 20, after: 20, unmarked: 0, bases: [60, 60] });
  });

  it('ends connections by name when it is deleted', () => {
    expect(report).toMatchObject({ ended: 'VIO_VDPA_GONE', down: 'VIO_VDPA_GONE' });
  });
});
