// Pairs of windows, and which of them say anything.
import { median } from '@vio/test/median';
import type { Polls } from './own/polls.ts';
import type { Distance } from './placement/probe.ts';

/** What one contender did in one window. */
export interface Window {
  /** Frames per second, as the common peer counts what it received from, or delivered to, the contender. */
  readonly rate: number;
  readonly distance: Distance;
  /** Of a contender that counts them. */
  readonly polls: Polls | undefined;
}

/** Two windows side by side, at the same distance of the two CPUs. */
export interface Duel {
  readonly distance: Distance;
  /** Frames per second. */
  readonly dpdk: number;
  readonly ours: number;
  /** Shares of our polls that found nothing, and a whole burst. */
  readonly empty: number;
  readonly full: number;
}

/** Windows at different distances say nothing about each other. */
export function duel(dpdk: Window, ours: Window): Duel[] {
  if (dpdk.distance !== ours.distance) return [];
  const { all, empty, full } = ours.polls ?? { all: 0, empty: 0, full: 0 };
  const share = (polls: number): number => (all === 0 ? 0 : polls / all);
  return [
    {
      distance: ours.distance,
      dpdk: dpdk.rate,
      ours: ours.rate,
      empty: share(empty),
      full: share(full),
    },
  ];
}

/** How many there are at the distance that has most. */
export function mostAlike(duels: readonly Duel[]): number {
  const counts = duels.map(({ distance }) => duels.filter((other) => other.distance === distance).length);
  return Math.max(0, ...counts);
}

/**
 * Plays rounds of two pairs of windows: as many as asked for, and then as long as fewer pairs are at one distance than these rounds
 * would have given, up to a limit.
 * @param limit rounds at most, as a multiple of `rounds`
 */
export async function playRounds(
  rounds: number,
  limit: number,
  play: () => Promise<readonly Duel[]>,
): Promise<Duel[]> {
  const duels: Duel[] = [];
  for (let round = 0; round < rounds * limit; round++) {
    if (round >= rounds && mostAlike(duels) >= 2 * rounds) break;
    duels.push(...(await play()));
  }
  return duels;
}

export function medianRatio(duels: readonly Duel[]): number {
  return median(duels.map(({ ours, dpdk }) => ours / dpdk));
}
