import { until, turns } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { type Polled, Rounds } from './rounds.ts';

/** Has so many frames, one in a poll. */
class Source implements Polled {
  idle = -1;
  polls = 0;
  left: number;
  /** What `sleep` finds once. */
  late = 0;

  constructor(left: number) {
    this.left = left;
  }

  poll(): number {
    this.polls++;
    if (this.left === 0) return 0;
    this.left--;
    return 1;
  }

  sleep(): boolean {
    this.left += this.late;
    this.late = 0;
    return this.left > 0;
  }
}

describe('rounds', () => {
  it('poll until there is nothing, and then do not run at all', async () => {
    const rounds = new Rounds();
    const sources = [new Source(5), new Source(100), new Source(0)];
    for (const source of sources) rounds.wake(source);
    await until(() => rounds.awake === 0);
    const polls = sources.map((source) => source.polls);
    await turns(20);
    expect([sources.map(({ left }) => left), sources.map((source) => source.polls)]).toEqual([
      [0, 0, 0],
      polls,
    ]);
  });

  it('take what came between the last poll and sleep', async () => {
    const rounds = new Rounds();
    const source = new Source(1);
    source.late = 3;
    rounds.wake(source);
    await until(() => rounds.awake === 0);
    expect(source.left).toBe(0);
  });

  it('wake who sleeps, once', async () => {
    const rounds = new Rounds();
    const source = new Source(0);
    rounds.wake(source);
    rounds.wake(source);
    expect(rounds.awake).toBe(1);
    await until(() => rounds.awake === 0);
    source.left = 1;
    rounds.wake(source);
    await until(() => source.left === 0);
    expect(source.left).toBe(0);
  });

  it('leave alone who was removed', async () => {
    const rounds = new Rounds();
    const [gone, stays] = [new Source(50), new Source(50)];
    for (const source of [gone, stays]) rounds.wake(source);
    rounds.remove(gone);
    await until(() => rounds.awake === 0);
    expect([gone.polls, stays.left]).toEqual([0, 0]);
  });

  it('poll nobody while they are held', async () => {
    const rounds = new Rounds();
    const source = new Source(1);
    rounds.hold();
    rounds.wake(source);
    await turns(5);
    expect(source.polls).toBe(0);
    rounds.go();
    await until(() => source.left === 0);
    expect(source.left).toBe(0);
  });
});
