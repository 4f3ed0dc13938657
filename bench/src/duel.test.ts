import { describe, expect, it } from 'vitest';
import { type Duel, type Window, duel, medianRatio, mostAlike, playRounds } from './duel.ts';
import type { Distance } from './placement/probe.ts';

const window = (rate: number, distance: Distance, polls?: Window['polls']): Window => ({
  rate,
  distance,
  polls,
});
const at = (distance: Distance, ours = 1): Duel => ({ distance, dpdk: 1, ours, empty: 0, full: 0 });

describe('duel', () => {
  it('pairs windows at one distance, with shares of our polls', () => {
    const polls = { all: 200, empty: 150, full: 20 };
    expect(duel(window(2, 'near'), window(3, 'near', polls))).toEqual([
      { distance: 'near', dpdk: 2, ours: 3, empty: 0.75, full: 0.1 },
    ]);
  });

  it('says nothing of windows at different distances', () => {
    expect(duel(window(2, 'near'), window(3, 'far'))).toEqual([]);
  });

  it('has shares of 0 where nothing was counted', () => {
    expect(duel(window(2, 'far'), window(3, 'far'))).toMatchObject([{ empty: 0, full: 0 }]);
  });
});

describe('playRounds', () => {
  const counted = async (rounds: number, limit: number, results: readonly (readonly Duel[])[]) => {
    let played = 0;
    await playRounds(rounds, limit, async () => results[played++ % results.length]);
    return played;
  };

  it('ends after the rounds it was asked for when all pairs are alike', async () => {
    expect(await counted(3, 4, [[at('near'), at('near')]])).toBe(3);
  });

  it('goes on while too few pairs are at one distance', async () => {
    expect(await counted(2, 4, [[], [at('near'), at('near')]])).toBe(4);
  });

  it('gives up at the limit', async () => {
    expect(await counted(2, 4, [[]])).toBe(8);
  });

  it('keeps what it has found on the way', async () => {
    let played = 0;
    const duels = await playRounds(1, 9, async () => [at(played++ === 0 ? 'far' : 'near')]);
    expect(duels.map(({ distance }) => distance)).toEqual(['far', 'near', 'near']);
  });
});

describe('mostAlike and medianRatio', () => {
  it('count and compare pairs', () => {
    const duels = [at('near', 2), at('far', 8), at('near', 4)];
    expect([mostAlike(duels), mostAlike([]), medianRatio(duels)]).toEqual([2, 0, 4]);
  });
});
