import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type BudgetAccount, WorkBudget } from './work-budget.ts';

/** Milliseconds. Only work and waiting take time. */
let now = 0;
/** Of it, what others had the CPU for. */
let away = 0;
beforeEach(() => {
  now = 0;
  away = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.spyOn(process, 'cpuUsage').mockImplementation((before) => ({
    user: 1000 * (now - away) - (before?.user ?? 0),
    system: 0,
  }));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** The thread moves packets, a burst each millisecond, and lets the event loop go on in between. */
async function bursts(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    now += 1;
    await vi.advanceTimersByTimeAsync(1);
  }
}

/** Asks again as soon as it has been served. */
class Hammering {
  /** Pieces of work that were done, and milliseconds that they took. */
  done = 0;
  spent = 0;
  #over = false;

  constructor(account: BudgetAccount, milliseconds: number) {
    void this.#ask(account, milliseconds);
  }

  end(): void {
    this.#over = true;
  }

  async #ask(account: BudgetAccount, milliseconds: number): Promise<void> {
    while (!this.#over) {
      await account.spend(() => {
        now += milliseconds;
        this.done++;
        this.spent += milliseconds;
      });
    }
  }
}

describe('a budget of work', () => {
  it.each([
    ['cheap', 0],
    ['usual', 0.2],
    ['dear', 5],
  ])('gives a hundredth of the time to eight who always ask for what is %s', async (_, milliseconds) => {
    const budget = new WorkBudget();
    const all = Array.from({ length: 8 }, () => new Hammering(budget.account(), milliseconds));
    await bursts(1000);
    const before = { at: now, spent: sum(all, 'spent'), done: sum(all, 'done') };
    await bursts(10_000);
    const share = (sum(all, 'spent') - before.spent) / (now - before.at);
    // A piece of work is not seen whole: nobody gets more than so many of them.
    const perSecond = (1000 * (sum(all, 'done') - before.done)) / (now - before.at);
    for (const each of all) each.end();
    expect(share).toBeLessThanOrEqual(0.0105);
    expect(perSecond).toBeGreaterThan(1);
    expect(perSecond).toBeLessThan(340);
  });

  it('has saved up enough for somebody who asks now and then, who does not wait', async () => {
    const account = new WorkBudget().account();
    const waits: number[] = [];
    for (let i = 0; i < 20; i++) {
      const at = now;
      void account.spend(() => {
        waits.push(now - at);
        now += 5;
      });
      await bursts(1000);
    }
    expect(waits).toEqual(Array(20).fill(0));
  });

  it('serves those first who have cost least', async () => {
    const budget = new WorkBudget();
    const all = Array.from({ length: 8 }, () => new Hammering(budget.account(), 0.2));
    await bursts(5000);
    const before = sum(all, 'done');
    const seldom = budget.account().spend(() => sum(all, 'done') - before);
    await bursts(1000);
    for (const each of all) each.end();
    expect(await seldom).toBe(0);
  });

  it('lets none of those who always ask wait for the others', async () => {
    const budget = new WorkBudget();
    const [cheap, dear] = [0.1, 1].map((each) => new Hammering(budget.account(), each));
    await bursts(20_000);
    cheap.end();
    dear.end();
    expect(cheap.spent / dear.spent).toBeGreaterThan(0.5);
    expect(cheap.spent / dear.spent).toBeLessThan(1.5);
  });

  it('gives those who wait by one account as many turns as its weight says', async () => {
    const budget = new WorkBudget();
    const [single, several] = [1, 4].map((weight) => new Hammering(budget.account(weight), 0.2));
    await bursts(20_000);
    single.end();
    several.end();
    expect(several.spent / single.spent).toBeGreaterThan(3);
    expect(several.spent / single.spent).toBeLessThan(5);
  });

  it('lets the event loop go on between pieces of work', async () => {
    const account = new WorkBudget().account();
    let turn = 0;
    const next = (): void => {
      turn++;
      if (turn < 10) setImmediate(next);
    };
    setImmediate(next);
    const workedIn: number[] = [];
    for (let i = 0; i < 4; i++) void account.spend(() => void workedIn.push(turn));
    await bursts(5);
    expect(workedIn).toEqual([0, 1, 2, 3]);
  });

  it('owes little, however long a piece of work was', async () => {
    const account = new WorkBudget().account();
    await account.spend(() => void (now += 60_000));
    const at = now;
    const next = account.spend(() => now - at);
    await bursts(1100);
    expect(await next).toBeLessThan(1100);
  });

  it('owes nothing for the time that others had the CPU', async () => {
    const account = new WorkBudget().account();
    for (let i = 0; i < 10; i++) {
      void account.spend(() => {
        now += 500;
        away += 500;
      });
    }
    const at = now;
    const next = account.spend(() => now - at);
    await bursts(20);
    expect(await next).toBeLessThan(5020);
  });

  it('gives back what the work gives, and throws what it throws', async () => {
    vi.useRealTimers();
    const account = new WorkBudget().account();
    expect(await account.spend(() => Promise.resolve(7))).toBe(7);
    await expect(account.spend(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(
      account.spend(() => {
        throw new Error('never');
      }),
    ).rejects.toThrow('never');
  });
});

function sum(all: readonly Hammering[], what: 'done' | 'spent'): number {
  return all.reduce((total, each) => total + each[what], 0);
}
