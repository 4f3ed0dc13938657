import { Burst } from '@vio/rings';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type QueueCounterName,
  type QueueEventName,
  QueueStats,
  queueCounterNames,
  queueEventNames,
  txCounterNames,
} from './stats.ts';

const unicast = [0x02, 0, 0, 0, 0, 1];
const multicast = [0x01, 0, 0x5e, 0, 0, 1];
const broadcast = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/** The counters that are not zero after packets to this address of these sizes. */
function counted(address: readonly number[], ...sizes: number[]): Partial<Record<string, number>> {
  const stats = new QueueStats();
  for (const size of sizes) stats.count(Uint8Array.from(address), 0, size);
  stats.settle();
  return Object.fromEntries(Object.entries(stats.toRecord('')).filter(([, value]) => value !== 0));
}

describe('the counters of a queue', () => {
  it("have the names of DPDK's xstats, in its order", () => {
    expect(Object.keys(new QueueStats().toRecord('rx_q0_'))).toEqual([
      'rx_q0_good_packets',
      'rx_q0_good_bytes',
      'rx_q0_errors',
      'rx_q0_multicast_packets',
      'rx_q0_broadcast_packets',
      'rx_q0_undersize_packets',
      'rx_q0_size_64_packets',
      'rx_q0_size_65_127_packets',
      'rx_q0_size_128_255_packets',
      'rx_q0_size_256_511_packets',
      'rx_q0_size_512_1023_packets',
      'rx_q0_size_1024_1518_packets',
      'rx_q0_size_1519_max_packets',
    ]);
  });

  it('have no errors when they are those of a transmit queue, as in DPDK', () => {
    expect(Object.keys(new QueueStats().toRecord('', txCounterNames))).toEqual(
      queueCounterNames.filter((name) => name !== 'errors'),
    );
  });

  it.each<[QueueCounterName, number, number]>([
    ['undersize_packets', 1, 63],
    ['size_64_packets', 64, 64],
    ['size_65_127_packets', 65, 127],
    ['size_128_255_packets', 128, 255],
    ['size_256_511_packets', 256, 511],
    ['size_512_1023_packets', 512, 1023],
    ['size_1024_1518_packets', 1024, 1518],
    ['size_1519_max_packets', 1519, 9728],
  ])('put into %s frames of %i to %i bytes', (name, from, to) => {
    expect(counted(unicast, from, to)).toEqual({ good_packets: 2, good_bytes: from + to, [name]: 2 });
  });

  it('know a frame to a group by the lowest bit of its first byte', () => {
    expect(counted(multicast, 64)).toEqual({
      good_packets: 1,
      good_bytes: 64,
      size_64_packets: 1,
      multicast_packets: 1,
    });
  });

  it('count a broadcast as that and not as a multicast', () => {
    expect(counted(broadcast, 64)).toEqual({
      good_packets: 1,
      good_bytes: 64,
      size_64_packets: 1,
      broadcast_packets: 1,
    });
  });

  it('do not look at a frame when they are without groups', () => {
    const stats = new QueueStats(false);
    for (const address of [multicast, broadcast]) stats.count(Uint8Array.from(address), 0, 64);
    stats.settle();
    const counters = Object.entries(stats.toRecord('')).filter(([, value]) => value !== 0);
    expect(Object.fromEntries(counters)).toEqual({ good_packets: 2, good_bytes: 128, size_64_packets: 2 });
  });

  it('count what was malformed apart from what was good', () => {
    const stats = new QueueStats();
    stats.countErrors(3, 'length');
    expect([stats.get('errors'), stats.get('good_packets'), stats.get('good_bytes')]).toEqual([3, 0, 0]);
  });

  it('put each frame into exactly one size class, whatever the order of the sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9728 })), (sizes) => {
        const record = counted(unicast, ...sizes);
        const classes = Object.entries(record).filter(([name]) => /size/.test(name));
        expect(classes.reduce((sum, [, value = 0]) => sum + value, 0)).toBe(sizes.length);
        expect(record['good_bytes'] ?? 0).toBe(sizes.reduce((sum, size) => sum + size, 0));
      }),
    );
  });

  it('count a part of a burst', () => {
    const burst = new Burst(4);
    burst.length.set([60, 70, 80, 90]);
    const stats = new QueueStats();
    stats.countBurst(new Uint8Array(6), burst, 1, 3);
    expect([stats.get('good_packets'), stats.get('good_bytes')]).toEqual([2, 150]);
  });

  it.each(queueEventNames)('have a place for %s', (name) => {
    const stats = new QueueStats();
    const happen: Record<QueueEventName, () => void> = {
      kicks: () => stats.countKick(),
      calls: () => stats.countCall(),
      empty_polls: () => stats.countEmptyPoll(),
      starved_refills: () => stats.countStarvedRefill(),
      full_rings: () => stats.countFullRing(),
      lost_packets: () => stats.countLost(1),
      dropped_length_packets: () => stats.countErrors(1, 'length'),
      dropped_header_packets: () => stats.countErrors(1, 'header'),
      dropped_oversize_packets: () => stats.countDrops(1, 'oversize'),
      dropped_headroom_packets: () => stats.countDrops(1, 'headroom'),
      dropped_no_room_packets: () => stats.countDrops(1, 'no_room'),
      dropped_stopped_packets: () => stats.countDrops(1, 'stopped'),
    };
    happen[name]();
    const events = Object.entries(stats.toRecord('', queueEventNames)).filter(([, value]) => value !== 0);
    expect(events).toEqual([[name, 1]]);
  });
});
