import { describe, expect, it } from 'vitest';
import { WorkBudget } from './work-budget.ts';

/** Keeps the thread for so many milliseconds. */
function work(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

describe('a budget of work', () => {
  it('lets the event loop go on between pieces of work', async () => {
    const budget = new WorkBudget();
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    for (let i = 0; i < 20; i++) await budget.spend(() => work(1));
    clearInterval(counting);
    expect(turns).toBeGreaterThan(10);
  });

  it('gives back what the work gives, and throws what it throws', async () => {
    const budget = new WorkBudget();
    expect(await budget.spend(() => Promise.resolve(7))).toBe(7);
    await expect(budget.spend(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});
