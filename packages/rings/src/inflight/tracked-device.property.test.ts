import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceQueue } from '../device/device-queue.ts';
import type { RingFormat } from '../format.ts';
import { Guest, moments, size } from '../test-support/crashing-device.ts';

const formats: readonly RingFormat[] = ['split', 'packed'];

/** What happens between two devices that do their work to the end. */
const round = fc.record({
  /** Descriptors of the buffers exposed. */
  before: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: size }),
  moment: fc.constantFrom(...moments),
  after: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: size }),
  /** Buffers taken at once by the successor, and how many successors die with what they took. */
  burst: fc.integer({ min: 1, max: size }),
  deaths: fc.integer({ min: 0, max: 3 }),
});

/** Uses everything there is, of each burst the second half first. */
function serve(guest: Guest, queue: DeviceQueue, burst: number): number[] {
  const marks: number[] = [];
  for (let got = guest.fetch(queue, burst); got.length > 0; got = guest.fetch(queue, burst)) {
    marks.push(...got);
    const half = got.length >> 1;
    queue.complete(guest.chains, half, got.length - half);
    queue.complete(guest.chains, 0, half);
  }
  return marks;
}

describe.each(formats)('%s: devices that are killed', (format) => {
  it('leave every buffer to be used exactly once, by whoever comes after them, whatever they were at', () => {
    fc.assert(
      fc.property(fc.array(round, { minLength: 1, maxLength: 12 }), (rounds) => {
        const guest = new Guest(format);
        let mark = 0;
        const expose = (descriptors: readonly number[]): Map<number, number> => {
          const exposed = new Map<number, number>();
          for (const count of descriptors) {
            if (count > guest.driver.free) break;
            mark = (mark + 1) % 250;
            exposed.set(guest.expose(mark, count), mark);
          }
          return exposed;
        };
        for (const { before, moment, after, burst, deaths } of rounds) {
          const first = expose(before);
          guest.killedCompleting(moment);
          const seen = guest.driver.used().map(({ id }) => id);
          const done = new Set(seen);
          const second = expose(after);
          for (let death = 0; death < deaths; death++) guest.fetch(guest.device(), burst);
          const left = [...first].filter(([id]) => !done.has(id)).concat([...second]);
          expect(serve(guest, guest.device(), burst)).toEqual(left.map(([, content]) => content));
          seen.push(...guest.driver.used().map(({ id }) => id));
          const ids = [...first.keys()].concat([...second.keys()]);
          expect(seen.toSorted((a, b) => a - b)).toEqual(ids.toSorted((a, b) => a - b));
          expect(guest.driver.free).toBe(size);
        }
      }),
      { numRuns: 150 },
    );
  });
});
