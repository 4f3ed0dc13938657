import {
  PacketBurst,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_CTRL_VQ,
  macToBytes,
} from '@vio/net';
import { defaultHashKey, supportedHashTypes } from '@vio/net/internal';
import { describe, expect, it } from 'vitest';
import { CommandedSettings } from '../control/driver-settings.ts';
import { packetPool, packetsOf } from '../../test-support/packets.ts';
import { FlowTable } from './flow-table.ts';
import { ReceiveSteering, type SteeredDevice, unwanted } from './receive-steering.ts';

const own = '02:00:00:00:00:aa';

interface Flow {
  readonly from: number;
  readonly to: number;
  readonly port?: number;
  readonly protocol?: number;
}

/** A UDP packet from one host of 10.0.0.0/8 to another, port 1000 to `port`, or back. */
function udp({ from, to, port = 53, protocol = 17 }: Flow, answer = false, destination = own): Uint8Array {
  const ports = answer ? [port, 1000] : [1000, port];
  const host = (n: number): number[] => [10, n >>> 16, (n >>> 8) & 0xff, n & 0xff];
  return Uint8Array.from([
    ...macToBytes(destination),
    2,
    0,
    0,
    0,
    0,
    1,
    8,
    0,
    0x45,
    ...new Uint8Array(8),
    protocol,
    0,
    0,
    ...host(answer ? to : from),
    ...host(answer ? from : to),
    ...ports.flatMap((p) => [p >>> 8, p & 0xff]),
    ...new Uint8Array(20),
  ]);
}

const frame = (destination: string, rest: number[] = [0x08, 0x06]): Uint8Array =>
  Uint8Array.from([...macToBytes(destination), 2, 0, 0, 0, 0, 1, ...rest, ...new Uint8Array(46)]);

/** A driver's device, without rings: it notes what it is given. */
function setUp({ pairs = 4, features = 0n, flows = 4096 } = {}) {
  const settings = new CommandedSettings();
  settings.apply({ kind: 'queue-pairs', pairs });
  const enqueued: number[][] = [];
  const device = {
    settings,
    features,
    get pairsInUse() {
      return settings.queuePairs;
    },
    enqueueBurst: (ring: number, burst: PacketBurst, from: number, count: number) => {
      enqueued.push([ring, ...burst.length.subarray(from, from + count)]);
      return count;
    },
  } satisfies SteeredDevice;
  const steering = new ReceiveSteering(device, { flows });
  const ringOf = (bytes: Uint8Array): number => steering.queueFor(bytes, 0, bytes.length);
  return { settings, steering, ringOf, enqueued };
}

const pool = packetPool();
function learn(steering: ReceiveSteering, pair: number, ...frames: Uint8Array[]): void {
  const burst = packetsOf(pool, ...frames);
  steering.learn(pair, burst);
  burst.release();
}

describe('automatic receive steering', () => {
  it.each([0, 1, 2, 3])('brings a flow that left on transmit queue %i back on its receive queue', (pair) => {
    const { steering, ringOf } = setUp();
    const flow = { from: 7, to: 9 };
    learn(steering, pair, udp(flow));
    expect(ringOf(udp(flow, true))).toBe(2 * pair);
  });

  it('brings it back on the queue it left on last', () => {
    const { steering, ringOf } = setUp();
    const flow = { from: 7, to: 9 };
    learn(steering, 1, udp(flow));
    learn(steering, 3, udp(flow));
    expect(ringOf(udp(flow, true))).toBe(6);
  });

  it('tells flows by their ports, protocols and addresses', () => {
    const { steering, ringOf } = setUp({ pairs: 4 });
    const flows = [
      { from: 1, to: 2 },
      { from: 1, to: 2, port: 54 },
      { from: 1, to: 2, protocol: 6 },
      { from: 1, to: 3 },
    ];
    for (const [pair, flow] of flows.entries()) learn(steering, pair, udp(flow));
    expect(flows.map((flow) => ringOf(udp(flow, true)))).toEqual([0, 2, 4, 6]);
  });

  it('knows what is not IP by its addresses', () => {
    const { steering, ringOf } = setUp();
    const [here, there] = [macToBytes(own), macToBytes('02:00:00:00:00:01')];
    learn(steering, 3, Uint8Array.from([...there, ...here, 0x08, 0x06, ...new Uint8Array(46)]));
    expect(ringOf(Uint8Array.from([...here, ...there, 0x08, 0x06, ...new Uint8Array(46)]))).toBe(6);
  });

  it('spreads flows it does not know over all queues in use', () => {
    const { ringOf } = setUp({ pairs: 4 });
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) counts[ringOf(udp({ from: i, to: 5 })) / 2]++;
    expect(Math.min(...counts)).toBeGreaterThan(800);
  });

  it('keeps packets of a flow together', () => {
    const { ringOf } = setUp();
    const rings = Array.from({ length: 10 }, () => ringOf(udp({ from: 1, to: 2 })));
    expect(new Set(rings).size).toBe(1);
  });

  it('uses the first queue only until the driver asks for more', () => {
    const { ringOf, settings, steering } = setUp({ pairs: 1 });
    learn(steering, 0, udp({ from: 1, to: 2 }));
    const rings = (): Set<number> =>
      new Set(Array.from({ length: 50 }, (_, i) => ringOf(udp({ from: i, to: 5 }))));
    expect([...rings()]).toEqual([0]);
    settings.apply({ kind: 'queue-pairs', pairs: 2 });
    expect(rings()).toEqual(new Set([0, 2]));
  });

  it('leaves queues that are not used any more', () => {
    const { ringOf, settings, steering } = setUp({ pairs: 4 });
    const flow = { from: 7, to: 9 };
    learn(steering, 3, udp(flow));
    settings.apply({ kind: 'queue-pairs', pairs: 2 });
    expect(ringOf(udp(flow, true))).toBeLessThan(4);
  });

  it('remembers no more flows than it has room for, the youngest among them', () => {
    const { ringOf, steering } = setUp({ pairs: 4, flows: 64 });
    const flows = Array.from({ length: 10_000 }, (_, i) => ({ from: i, to: 5 }));
    for (const flow of flows) learn(steering, 3, udp(flow));
    expect(ringOf(udp(flows[9_999], true))).toBe(6);
    const there = flows.filter((flow) => ringOf(udp(flow, true)) === 6).length;
    // A quarter gets there by chance.
    expect(there).toBeLessThan(3000);
  });

  it('refuses a table of no power of two', () => {
    expect(() => setUp({ flows: 100 })).toThrow(RangeError);
  });
});

describe('receive-side scaling', () => {
  const rss = (table: number[], unclassified = 0) =>
    ({
      kind: 'rss',
      config: { hashTypes: supportedHashTypes, key: defaultHashKey, table, unclassified, transmitQueues: 4 },
    }) as const;

  it('goes by the low bits of the hash', () => {
    const { ringOf, settings } = setUp();
    settings.apply(rss([0, 1, 2, 3]));
    // Of the test vectors of Microsoft: 66.9.149.187:2794 to 161.142.100.80:1766 has the hash 0x51ccc178.
    const packet = udp({ from: 1, to: 2 });
    packet.set([66, 9, 149, 187, 161, 142, 100, 80, 2794 >>> 8, 2794 & 0xff, 1766 >>> 8, 1766 & 0xff], 26);
    expect(ringOf(packet)).toBe(2 * (0x78 & 3));
    settings.apply(rss([3, 2, 1, 0]));
    expect(ringOf(packet)).toBe(2 * (3 - (0x78 & 3)));
  });

  it('puts what has no hash where the driver says', () => {
    const { ringOf, settings } = setUp();
    settings.apply(rss([0, 1], 3));
    expect(ringOf(frame(own))).toBe(6);
  });

  it('does not learn, and gives way to automatic steering', () => {
    const { ringOf, settings, steering } = setUp();
    settings.apply(rss([2]));
    const flow = { from: 7, to: 9 };
    learn(steering, 1, udp(flow));
    expect(ringOf(udp(flow, true))).toBe(4);
    settings.apply({ kind: 'queue-pairs', pairs: 4 });
    learn(steering, 1, udp(flow));
    expect(ringOf(udp(flow, true))).toBe(2);
  });
});

describe('a driver that filters', () => {
  const group = '33:33:00:00:00:01';
  const other = '02:00:00:00:00:bb';
  const broadcast = 'ff:ff:ff:ff:ff:ff';
  const features = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN;
  const tagged = (id: number): Uint8Array => frame(own, [0x81, 0, id >>> 8, id & 0xff, 0x08, 0x06]);
  const all: Record<string, Uint8Array> = {
    own: frame(own),
    other: frame(other),
    group: frame(group),
    broadcast: frame(broadcast),
    vlan: tagged(5),
  };

  /** What gets through. */
  function through(...commands: Parameters<CommandedSettings['apply']>[0][]): string[] {
    const { ringOf, settings } = setUp({ features, pairs: 1 });
    for (const command of commands) settings.apply(command);
    return Object.keys(all).filter((name) => ringOf(all[name]) !== unwanted);
  }

  const address = { kind: 'mac-address', mac: own } as const;
  const mode = (
    name: 'promiscuous' | 'allMulticast' | 'allUnicast' | 'noMulticast' | 'noUnicast' | 'noBroadcast',
  ) => ({ kind: 'rx-mode', mode: name, on: true }) as const;

  it.each([
    ['only its own and what is for all', [], ['own', 'broadcast']],
    ['everything, promiscuously', [mode('promiscuous')], Object.keys(all)],
    [
      'everything, promiscuously, whatever else it said',
      [mode('promiscuous'), mode('noUnicast')],
      Object.keys(all),
    ],
    ['all groups', [mode('allMulticast')], ['own', 'group', 'broadcast']],
    ['all stations', [mode('allUnicast')], ['own', 'other', 'broadcast']],
    ['no groups at all', [mode('allMulticast'), mode('noMulticast')], ['own', 'broadcast']],
    ['nothing for one station', [mode('noUnicast')], ['broadcast']],
    ['nothing for all', [mode('noBroadcast')], ['own']],
    [
      'what is in its table',
      [{ kind: 'mac-table', unicast: [other], multicast: [group] } as const],
      ['own', 'other', 'group', 'broadcast'],
    ],
    ['its VLAN', [{ kind: 'vlan-add', id: 5 } as const], ['own', 'broadcast', 'vlan']],
  ])('gets %s', (_, commands, expected) => {
    expect(through(address, ...commands)).toEqual(expected);
  });

  it('gets all that is for one station when it did not say who it is', () => {
    expect(through()).toEqual(['own', 'other', 'broadcast']);
  });

  it('finds its addresses in a table of thousands', () => {
    const { ringOf, settings } = setUp({ features, pairs: 1 });
    const mac = (n: number): string =>
      `02:00:00:00:${(n >>> 8).toString(16).padStart(2, '0')}:${(n & 0xff).toString(16).padStart(2, '0')}`;
    settings.apply(address);
    settings.apply({
      kind: 'mac-table',
      unicast: Array.from({ length: 2500 }, (_, n) => mac(2 * n)),
      multicast: [],
    });
    const wrong = Array.from({ length: 5000 }, (_, n) => n).filter(
      (n) => (ringOf(frame(mac(n))) !== unwanted) !== (n % 2 === 0) && mac(n) !== own,
    );
    expect(wrong).toEqual([]);
  });

  it('gets everything without the feature', () => {
    const { ringOf, settings } = setUp({ pairs: 1 });
    settings.apply(address);
    expect(ringOf(all['other'])).toBe(0);
  });
});

describe('delivering a burst', () => {
  it('puts packets where they belong, in order, and keeps back what is not wanted', () => {
    const { steering, settings, enqueued } = setUp({
      pairs: 2,
      features: VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX,
    });
    settings.apply({ kind: 'mac-address', mac: own });
    const [one, two] = [
      { from: 1, to: 2 },
      { from: 1, to: 3 },
    ];
    learn(steering, 0, udp(one));
    learn(steering, 1, udp(two));
    const sized = (bytes: Uint8Array, length: number): Uint8Array =>
      Uint8Array.from([...bytes, ...new Uint8Array(length - bytes.length)]);
    const burst = packetsOf(
      pool,
      sized(udp(one, true), 100),
      sized(udp(two, true), 101),
      udp(one, true, '02:00:00:00:00:bb'),
      sized(udp(one, true), 102),
      sized(udp(two, true), 3000),
      new Uint8Array(8),
    );
    expect(steering.deliver(burst)).toBe(4);
    burst.release();
    expect([enqueued, steering.filtered]).toEqual([
      [
        [0, 100, 102],
        [2, 101, 3000],
      ],
      2,
    ]);
  });
});

describe('a flow table', () => {
  it('holds the last of each flow', () => {
    const table = new FlowTable(16);
    for (let hash = 0; hash < 8; hash++) table.set(hash * 2, hash);
    expect(Array.from({ length: 8 }, (_, hash) => table.get(hash * 2))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(table.get(1)).toBe(-1);
  });

  it('lets the older of two others go', () => {
    const table = new FlowTable(2);
    for (const hash of [10, 20, 30]) table.set(hash, hash);
    expect([table.get(10), table.get(20), table.get(30)]).toEqual([-1, 20, 30]);
  });
});
