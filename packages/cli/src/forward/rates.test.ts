import { BufferPool, Region } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { noCounts } from './counts.ts';
import type { LaneTraffic, MeteredLane } from './lane.ts';
import { RateMeter, formatRates } from './rates.ts';

const pool = new BufferPool({ region: new Region(new ArrayBuffer(4096)), offset: 0, count: 1 });

/** A lane that says it has carried what a test sets. */
class CountingLane implements MeteredLane {
  bursts = 0;
  readonly counts = noCounts();
  readonly name: string;
  readonly pool = pool;
  counted: LaneTraffic = { received: 0, sent: 0, receivedBytes: 0, sentBytes: 0 };

  constructor(name: string) {
    this.name = name;
  }

  receive = (): number => 0;
  send = (): number => 0;
  traffic = (): LaneTraffic => this.counted;
}

describe('rates', () => {
  it('are those of every queue, and of all of them together', () => {
    const lanes = [new CountingLane('q0'), new CountingLane('q1')];
    lanes[0].counted = { received: 5, sent: 5, receivedBytes: 300, sentBytes: 300 };
    const meter = new RateMeter({ counts: { received: 0, sent: 0, dropped: 0 }, lanes });
    lanes[0].counted = { received: 7, sent: 5, receivedBytes: 420, sentBytes: 300 };
    lanes[1].counted = { received: 0, sent: 4, receivedBytes: 0, sentBytes: 6000 };
    const { rxBps, txBps, queues } = meter.sample();
    expect(queues.map(({ name, rxBps: rx, txBps: tx }) => [name, rx > 0, tx > 0])).toEqual([
      ['q0', true, false],
      ['q1', false, true],
    ]);
    expect([rxBps / queues[0].rxPps, txBps / queues[1].txPps]).toEqual([
      expect.closeTo(480),
      expect.closeTo(12_000),
    ]);
  });

  it('of a queue that went are forgotten, and those of one that came begin at nothing', () => {
    const lanes = [new CountingLane('q0')];
    lanes[0].counted = { received: 100, sent: 0, receivedBytes: 100, sentBytes: 0 };
    const meter = new RateMeter({ counts: { received: 0, sent: 0, dropped: 0 }, lanes });
    lanes[0] = new CountingLane('q1');
    expect(meter.sample()).toMatchObject({ rxBps: 0, queues: [{ name: 'q1', rxPps: 0 }] });
  });

  it('have a line for each queue where there are several', () => {
    const queue = { name: 'q0', rxPps: 90, txPps: 0, rxBps: 43_200, txBps: 0 };
    const one = { ...queue, seconds: 1, received: 90, sent: 0, dropped: 0, queues: [queue] };
    expect(formatRates(one)).toBe(
      '    1.0 s  rx 90 pps 43.2 kbit/s  tx 0 pps 0 bit/s  received 90  sent 0  dropped 0',
    );
    expect(formatRates({ ...one, queues: [queue, { ...queue, name: 'q1' }] }).split('\n')).toEqual([
      expect.stringContaining('received 90'),
      '           rx 90 pps 43.2 kbit/s  tx 0 pps 0 bit/s  q0',
      '           rx 90 pps 43.2 kbit/s  tx 0 pps 0 bit/s  q1',
    ]);
  });
});
