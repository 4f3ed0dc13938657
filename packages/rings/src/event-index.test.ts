import { describe, expect, it } from 'vitest';
import { needEvent } from './event-index.ts';

/** Where the counters may stand: around zero, the middle and the end of 16 bits. */
const origins = [0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff];

/** Whether an index that walks from `old` to `next`, one by one, leaves `event` behind. */
function walkedOver(old: number, next: number): Uint8Array {
  const passed = new Uint8Array(0x1_0000);
  for (let at = old; at !== next; at = (at + 1) & 0xffff) passed[at] = 1;
  return passed;
}

describe('needEvent', () => {
  it.each(origins)('agrees with a walk for every event, over short and long ways from %i', (old) => {
    let wrong = 0;
    for (const way of [0, 1, 2, 31, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff]) {
      const next = (old + way) & 0xffff;
      const passed = walkedOver(old, next);
      for (let event = 0; event < 0x1_0000; event++) {
        if (needEvent(event, next, old) !== (passed[event] === 1)) wrong++;
      }
    }
    expect(wrong).toBe(0);
  });

  it.each(origins)('agrees with a walk for every way from %i, at events near its ends', (old) => {
    let wrong = 0;
    const passed = new Uint8Array(0x1_0000);
    for (let way = 0; way < 0x1_0000; way++) {
      const next = (old + way) & 0xffff;
      for (const event of [
        old - 1,
        old,
        old + 1,
        old + 0x7fff,
        old + 0x8000,
        next - 2,
        next - 1,
        next,
        next + 1,
      ]) {
        if (needEvent(event & 0xffff, next, old) !== (passed[event & 0xffff] === 1)) wrong++;
      }
      passed[next] = 1;
    }
    expect(wrong).toBe(0);
  });

  it('is the same wherever the counters stand', () => {
    let wrong = 0;
    for (let shift = 0; shift < 0x1_0000; shift++) {
      const at = (n: number) => (n + shift) & 0xffff;
      if (!needEvent(at(0), at(1), at(0))) wrong++;
      if (!needEvent(at(4), at(7), at(2))) wrong++;
      if (needEvent(at(7), at(7), at(2))) wrong++;
      if (needEvent(at(1), at(7), at(2))) wrong++;
      if (needEvent(at(0), at(0), at(0))) wrong++;
    }
    expect(wrong).toBe(0);
  });
});
