import { PacketBurst } from '@vio/net';
import { expect, it } from 'vitest';
import { sendAgain } from './send-again.ts';

/** A ring that takes one packet each time. @param full how often it takes none before */
function slow(full: number) {
  const offered: number[] = [];
  return {
    offered,
    send(_burst: PacketBurst, from = 0): number {
      offered.push(from);
      return offered.length > full ? 1 : 0;
    },
  };
}

const burst = new PacketBurst(8);

it('offers packets again until all are taken', () => {
  const tx = slow(2);
  burst.count = 5;
  expect([sendAgain(tx, burst, 2, { times: 64, delay: 0 }), tx.offered]).toEqual([3, [2, 2, 2, 3, 4]]);
});

it('gives up when it has been told to, and says how many were taken', () => {
  const tx = slow(1);
  burst.count = 5;
  expect([sendAgain(tx, burst, 0, { times: 3, delay: 1 }), tx.offered]).toEqual([2, [0, 0, 1]]);
});
