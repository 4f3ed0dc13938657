import { VioError } from '@vio/native';
import { describe, expect, it } from 'vitest';
import { SingleBurst } from '../device/single-burst.ts';
import type { RingFormat } from '../format.ts';
import { Guest, moments, size } from '../test-support/crashing-device.ts';
import { forgetIfIdle } from './forget.ts';
import { inflightBytes } from './inflight-layout.ts';

const formats: readonly RingFormat[] = ['split', 'packed'];

describe.each(formats)('%s: a device that ended and left its journal', (format) => {
  it('had fetched nothing: its successor fetches what is there', () => {
    const guest = new Guest(format);
    guest.device();
    guest.expose(1);
    guest.expose(2);
    expect(guest.fetch(guest.device())).toEqual([1, 2]);
  });

  it('had fetched: its successor fetches the same, in the same order, and then the rest', () => {
    const guest = new Guest(format);
    guest.expose(1);
    guest.expose(2, 2);
    guest.expose(3);
    guest.fetch(guest.device());
    guest.expose(4, 2);
    const next = guest.device();
    expect(guest.fetch(next)).toEqual([1, 2, 3]);
    next.complete(guest.chains, 0, 3);
    expect(guest.fetch(next)).toEqual([4]);
  });

  it('had used some of them, not in order: its successor fetches the others', () => {
    const guest = new Guest(format);
    const ids = [1, 2, 3, 4].map((mark) => guest.expose(mark));
    const first = guest.device();
    guest.fetch(first);
    first.complete(guest.chains, 2, 1);
    first.complete(guest.chains, 0, 1);
    const next = guest.device();
    expect(guest.fetch(next)).toEqual([2, 4]);
    next.complete(guest.chains, 0, 2);
    expect(guest.driver.used().map(({ id }) => id)).toEqual([ids[2], ids[0], ids[1], ids[3]]);
  });

  it('had given some back: its successor fetches them from the ring', () => {
    const guest = new Guest(format);
    for (const mark of [1, 2, 3]) guest.expose(mark);
    const first = guest.device();
    guest.fetch(first);
    first.unfetch(guest.chains, 2);
    const next = guest.device();
    expect(guest.fetch(next)).toEqual([1]);
    next.complete(guest.chains, 0, 1);
    expect(guest.fetch(next)).toEqual([2, 3]);
  });

  it('resumes chains by halves, and gives back what it cannot take yet', () => {
    const guest = new Guest(format);
    for (const mark of [1, 2, 3]) guest.expose(mark);
    guest.fetch(guest.device());
    const next = guest.device();
    expect(guest.fetch(next, 2)).toEqual([1, 2]);
    next.unfetch(guest.chains, 1);
    next.complete(guest.chains, 0, 1);
    expect(next.pending()).toBe(2);
    expect(guest.fetch(next)).toEqual([2, 3]);
  });

  it('has resumed chains fetched one by one, not as singles', () => {
    const guest = new Guest(format);
    guest.expose(1);
    guest.fetch(guest.device());
    const next = guest.device();
    const singles = new SingleBurst();
    const kind = { writable: false, prefix: 0 };
    next.fetchSingles(singles, 32, kind, 1, 100);
    expect([singles.count, singles.blocked]).toEqual([0, true]);
  });

  it.each([false, true])('notes down singles as well (in order: %s)', (inOrder) => {
    const guest = new Guest(format, inOrder);
    const singles = new SingleBurst();
    const kind = { writable: false, prefix: 0 };
    const first = guest.device();
    for (const mark of [1, 2, 3, 4]) guest.expose(mark);
    expect(first.fetchSingles(singles, 2, kind, 1, 100)).toBe(2);
    first.completeSingles(singles);
    expect(first.fetchSingles(singles, 1, kind, 1, 100)).toBe(1);
    const next = guest.device();
    expect(guest.fetch(next)).toEqual([3]);
    expect(next.fetchSingles(singles, 2, kind, 1, 100)).toBe(1);
  });

  it('goes on over the end of the ring and of its journal', () => {
    const guest = new Guest(format);
    for (let round = 0; round < 5 * size; round++) {
      guest.expose(round & 0x7f, (round % 3) + 1);
      guest.fetch(guest.device());
      const next = guest.device();
      expect(guest.fetch(next)).toEqual([round & 0x7f]);
      next.complete(guest.chains, 0, 1);
      expect(guest.driver.used()).toHaveLength(1);
    }
  });

  describe.each([1, 3, size])('killed while it used %i chains', (count) => {
    it.each(moments)('%s: the driver gets every buffer back once', (moment) => {
      const guest = new Guest(format);
      const rounds = 7;
      for (let round = 0; round < rounds; round++) {
        const ids = Array.from({ length: count }, (_, i) => guest.expose(i));
        guest.killedCompleting(moment);
        const seen = guest.driver.used().map(({ id }) => id);
        const next = guest.device();
        guest.fetch(next);
        next.complete(guest.chains, 0, guest.chains.count);
        seen.push(...guest.driver.used().map(({ id }) => id));
        expect(seen).toEqual(ids);
      }
    });

    it.each(moments)('%s: a successor that uses one of them shows the driver only that', (moment) => {
      const guest = new Guest(format);
      for (let i = 0; i < count; i++) guest.expose(i);
      guest.killedCompleting(moment);
      const before = guest.driver.used().length;
      const next = guest.device();
      guest.fetch(next);
      const one = Math.min(1, guest.chains.count);
      next.complete(guest.chains, 0, one);
      expect(guest.driver.used()).toHaveLength(one);
      expect(before).toBe(moment === 'behind it' ? count : 0);
    });
  });
});

describe.each(formats)('%s: a device that was stopped', (format) => {
  it('with nothing in flight leaves it to the driver where the next one begins', () => {
    const guest = new Guest(format);
    guest.expose(1);
    const first = guest.device();
    guest.fetch(first);
    first.complete(guest.chains, 0, 1);
    forgetIfIdle({ buffer: guest.inflight, offset: 0 }, format, size);
    guest.expose(2);
    const base = first.base();
    expect(guest.fetch(guest.device(base))).toEqual([2]);
  });

  it('with something in flight leaves its notes', () => {
    const guest = new Guest(format);
    guest.expose(1);
    guest.fetch(guest.device());
    forgetIfIdle({ buffer: guest.inflight, offset: 0 }, format, size);
    expect(guest.fetch(guest.device())).toEqual([1]);
  });
});

describe.each(formats)('%s: a buffer that no device can have left', (format) => {
  const halves = inflightBytes(format, size) / 2;

  it('of another version is refused', () => {
    const guest = new Guest(format);
    guest.device();
    guest.area().u16[4] = 2;
    expect(() => guest.device()).toThrow(expect.objectContaining({ code: 'VIO_RING_INFLIGHT' }));
  });

  it('of a ring of another size is refused', () => {
    const guest = new Guest(format);
    guest.device();
    guest.area().u16[5] = size / 2;
    expect(() => guest.device()).toThrow(/for 4 descriptors, the ring has 8/);
  });

  it.each(Array.from({ length: halves }, (_, at) => at))(
    'with nonsense at byte 2 * %i is refused or harmless',
    (at) => {
      const guest = new Guest(format);
      for (const mark of [1, 2, 3]) guest.expose(mark, 2);
      guest.fetch(guest.device());
      for (const nonsense of [0xffff, 0x8000, size, 1, 0]) {
        const kept = guest.inflight.slice(0);
        guest.area().u16[at] = nonsense;
        expect(['none', 'VIO_RING_INFLIGHT']).toContain(whatHappens(guest));
        new Uint8Array(guest.inflight).set(new Uint8Array(kept));
      }
    },
  );
});

/** A device opens the journal and works a little. @returns the code it fails with, or none */
function whatHappens(guest: Guest): string {
  try {
    const queue = guest.device();
    guest.fetch(queue);
    queue.complete(guest.chains, 0, guest.chains.count);
    guest.fetch(queue);
    return 'none';
  } catch (error) {
    return VioError.is(error) ? error.code : String(error);
  }
}

describe('what the specification says of the layout', () => {
  it.each([
    ['split', 256, 16 + 256 * 16 + 48],
    ['split', 1, 64],
    ['packed', 256, 32 + 256 * 32 + 32],
    ['packed', 1, 64],
  ] as const)('%s rings of %i take %i bytes', (format, descriptors, bytes) => {
    expect(inflightBytes(format, descriptors)).toBe(bytes);
  });

  it('split: counters give the order, by head', () => {
    const guest = new Guest('split');
    const heads = [guest.expose(1), guest.expose(2)];
    guest.fetch(guest.device());
    const { u8 } = guest.area();
    const state = (head: number): number[] => [u8[16 + 16 * head], u8[16 + 16 * head + 8]];
    expect(heads.map(state)).toEqual([
      [1, 0],
      [1, 1],
    ]);
  });

  it('packed: an entry is a copy of its descriptor', () => {
    const guest = new Guest('packed');
    const address = guest.driver.memory.put(Uint8Array.of(7));
    const [id] = guest.driver.expose([{ address, length: 1 }]);
    guest.fetch(guest.device());
    const view = new DataView(guest.inflight);
    const entry = 32;
    expect({
      inflight: view.getUint8(entry),
      last: view.getUint16(entry + 4, true),
      num: view.getUint16(entry + 6, true),
      id: view.getUint16(entry + 16, true),
      length: view.getUint32(entry + 20, true),
      address: Number(view.getBigUint64(entry + 24, true)),
      freeHeads: [view.getUint16(12, true), view.getUint16(14, true)],
    }).toEqual({ inflight: 1, last: 0, num: 1, id, length: 1, address, freeHeads: [1, 1] });
  });
});
