import { expect, it } from 'vitest';
import { TalkLimit } from './talk-limit.ts';

it('says so many messages at once, then some in a second, and how many it left out', () => {
  const limit = new TalkLimit();
  const said = Array.from({ length: 1000 }, () => limit.admit(5000)).filter((one) => one !== undefined);
  expect(said).toEqual(Array.from({ length: 64 }, () => 0));
  expect([limit.admit(5050), limit.admit(5100), limit.admit(5150), limit.admit(5200)]).toEqual([
    undefined,
    937,
    undefined,
    1,
  ]);
  expect(Array.from({ length: 1000 }, () => limit.admit(1e6)).filter((one) => one !== undefined).length).toBe(
    64,
  );
});
