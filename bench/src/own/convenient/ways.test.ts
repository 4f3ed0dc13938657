import { describe, expect, it } from 'vitest';
import { linkWays } from './link-ways.ts';
import { nodeWays } from './node-ways.ts';
import { portWays } from './port-ways.ts';

describe('ways for frames', () => {
  it.each(Object.entries({ ...portWays, ...nodeWays }))('%s moves chunk after chunk', async (_, open) => {
    await using way = await open();
    for (let i = 0; i < 3; i++) await expect(way.move()).resolves.toBeUndefined();
  });

  it('are none by links that nobody has made', () => {
    expect(linkWays([])).toEqual({});
  });
});
