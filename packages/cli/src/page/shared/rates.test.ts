import { describe, expect, it } from 'vitest';
import type { Look } from './messages.ts';
import { ratesBetween } from './rates.ts';

const look = (clock: number, stats: Readonly<Record<string, number>>, id = 0): Look => ({
  time: 0,
  clock,
  interval: 1000,
  ports: [],
  more: 0,
  port: { id, name: 'p', kind: 'port', up: true, link: { status: 'UP' }, info: {}, rings: [], stats },
});

describe('the rates between two looks', () => {
  it('are sums of all queues, in a second', () => {
    const before = look(1000, { rx_q0_good_packets: 5, rx_q1_good_packets: 7, rx_q0_good_bytes: 100 });
    const now = look(1500, { rx_q0_good_packets: 15, rx_q1_good_packets: 17, rx_q0_good_bytes: 200 });
    expect(ratesBetween(before, now)?.rx).toEqual({ pps: 40, bps: 1600 });
  });

  it('go on from 0 where counters were set back', () => {
    const now = ratesBetween(look(0, { tx_q0_good_packets: 500 }), look(1000, { tx_q0_good_packets: 20 }));
    expect(now?.tx.pps).toBe(20);
  });

  it('tell packets of a burst, and drops by any reason', () => {
    const stats = { rx_q0_good_packets: 64, rx_q0_bursts: 2, tx_q0_dropped_no_room_packets: 3 };
    const now = ratesBetween(look(0, {}), look(1000, { ...stats, tx_q0_lost_packets: 1 }));
    expect(now).toMatchObject({ batch: 32, drops: 4, dropped: 4 });
  });

  it('are not there for the first look, or for another port', () => {
    expect([ratesBetween(undefined, look(1, {})), ratesBetween(look(0, {}, 1), look(1, {}, 2))]).toEqual([
      undefined,
      undefined,
    ]);
  });
});
