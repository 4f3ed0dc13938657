import { describe, expect, it } from 'vitest';
import { formats, setUp, type Setup } from '../test-support/device-setup.ts';
import type { RingFormat } from '../format.ts';

const chain = [{ address: 0x1_ffff_c000, length: 1 }];
const events = [false, true];
const cases = formats.flatMap((format) => events.map((eventIdx) => ({ format, eventIdx })));

function setUpUsing(format: RingFormat, options: Setup) {
  const all = setUp(format, options);
  const use = (count: number) => {
    all.driver.expose(...Array.from({ length: count }, () => chain));
    all.queue.complete(all.chains, 0, all.queue.fetch(all.chains, 32));
    all.driver.used();
  };
  return { ...all, use };
}

describe.each(cases)('$format, EVENT_IDX $eventIdx: calls', ({ format, eventIdx }) => {
  it('calls a driver that wants every buffer', () => {
    const { driver, queue, use } = setUpUsing(format, { eventIdx });
    driver.wantCalls('always');
    use(1);
    expect(queue.callNeeded()).toBe(true);
  });

  it('does not call when nothing was used since the last call', () => {
    const { driver, queue, use } = setUpUsing(format, { eventIdx });
    driver.wantCalls('always');
    expect(queue.callNeeded()).toBe(false);
    use(2);
    queue.callNeeded();
    expect(queue.callNeeded()).toBe(false);
  });

  it('does not call a driver that wants silence', () => {
    const { driver, queue, use } = setUpUsing(format, { eventIdx });
    driver.wantCalls('never');
    use(3);
    expect(queue.callNeeded()).toBe(false);
  });
});

describe.each(formats)('%s: calls at an event', (format) => {
  it('2.7.7.2: calls when the buffer of the event is used, and only then', () => {
    const { driver, queue, use } = setUpUsing(format, { eventIdx: true });
    driver.wantCalls(3);
    const calls = [1, 1, 1, 1, 1].map((count) => {
      use(count);
      return queue.callNeeded();
    });
    expect(calls).toEqual([false, false, false, true, false]);
  });

  it('calls when a burst steps over the event', () => {
    const { driver, queue, use } = setUpUsing(format, { eventIdx: true });
    driver.wantCalls(1);
    use(5);
    expect(queue.callNeeded()).toBe(true);
  });

  it.each([1, 5, 7, 8])('meets events across the ends of the ring, %i buffers at a time', (step) => {
    const { driver, queue, use } = setUpUsing(format, { eventIdx: true });
    for (let round = 0; round < 80; round++) {
      driver.wantCalls(round % step);
      use(step);
      expect(queue.callNeeded()).toBe(true);
    }
  });

  it.each([1, 5, 7])('2.7.7.2: does not call just before an event, %i buffers at a time', (step) => {
    const { driver, queue, use } = setUpUsing(format, { eventIdx: true });
    for (let round = 0; round < 80; round++) {
      driver.wantCalls(step);
      use(step);
      expect(queue.callNeeded()).toBe(false);
    }
  });

  it.each([0, 5])(
    'counts all that was used since the last look, more than a ring as well, event at %i',
    (event) => {
      const { driver, queue, use } = setUpUsing(format, { eventIdx: true });
      driver.wantCalls(event);
      use(8);
      use(8);
      expect(queue.callNeeded()).toBe(true);
    },
  );
});

describe('what was not negotiated is ignored', () => {
  it('2.7.7.2: split without EVENT_IDX ignores used_event', () => {
    const { driver, queue, use } = setUpUsing('split', { eventIdx: false });
    driver.wantCalls(5);
    use(1);
    expect(queue.callNeeded()).toBe(true);
  });

  it('2.7.7.2: split with EVENT_IDX ignores the flag', () => {
    const { driver, memory, queue, use } = setUpUsing('split', { eventIdx: true });
    memory.windows[0].region.u16[driver.addresses.driver.offset / 2] = 1;
    driver.wantCalls('always');
    use(1);
    expect(queue.callNeeded()).toBe(true);
  });

  it('2.8.10: packed without EVENT_IDX takes a descriptor event for a wish to hear of everything', () => {
    const { driver, queue, use } = setUpUsing('packed', { eventIdx: false });
    driver.wantCalls(5);
    use(1);
    expect(queue.callNeeded()).toBe(true);
  });
});

describe.each(cases)('$format, EVENT_IDX $eventIdx: kicks', ({ format, eventIdx }) => {
  it('wants a kick from the start', () => {
    const { driver } = setUp(format, { eventIdx });
    driver.expose(chain);
    expect(driver.kickWanted()).toBe(true);
  });

  it('2.7.10.2: wants none once disarmed, for a whole ring and more', () => {
    const { driver, queue, use } = setUpUsing(format, { eventIdx });
    queue.disarmKick();
    const kicks = Array.from({ length: 30 }, () => {
      use(1);
      return driver.kickWanted();
    });
    expect(kicks).not.toContain(true);
  });

  it('wants a kick for the next buffer once armed again', () => {
    const { driver, queue, use } = setUpUsing(format, { eventIdx });
    queue.disarmKick();
    use(5);
    driver.kickWanted();
    expect(queue.armKick()).toBe(false);
    driver.expose(chain);
    expect(driver.kickWanted()).toBe(true);
  });

  it('finds while arming what came while it was not looking', () => {
    const { driver, queue } = setUp(format, { eventIdx });
    queue.disarmKick();
    driver.expose(chain);
    expect([driver.kickWanted(), queue.armKick()]).toEqual([false, true]);
  });
});

describe('split with EVENT_IDX', () => {
  it('2.7.10.2: keeps used.flags at 0', () => {
    const { driver, memory, queue } = setUp('split', { eventIdx: true });
    queue.disarmKick();
    queue.armKick();
    queue.disarmKick();
    expect(memory.windows[0].region.u16[driver.addresses.device.offset / 2]).toBe(0);
  });
});

describe('split without EVENT_IDX', () => {
  it('2.7.10.2: sets used.flags to 0 or 1 and leaves avail_event alone', () => {
    const { driver, memory, queue } = setUp('split', { eventIdx: false });
    const at = driver.addresses.device.offset / 2;
    const { u16 } = memory.windows[0].region;
    const flags = [];
    for (let i = 0; i < 2; i++) {
      queue.disarmKick();
      flags.push(u16[at]);
      queue.armKick();
      flags.push(u16[at]);
    }
    expect([flags, u16[at + 2 + 4 * 8]]).toEqual([[1, 0, 1, 0], 0]);
  });
});

describe.each(formats)('%s: a kick for nothing', (format) => {
  it('2.7.10.2: finds nothing and breaks nothing', () => {
    const { driver, queue, chains } = setUp(format);
    const before = queue.fetch(chains, 32);
    driver.expose(chain);
    expect([before, queue.fetch(chains, 32), queue.fetch(chains, 32), queue.broken]).toEqual([
      0,
      1,
      0,
      undefined,
    ]);
  });
});

describe('packed with EVENT_IDX', () => {
  it('meets an event at the first slot of a list, though a list is used with one descriptor', () => {
    const { driver, queue, chains } = setUp('packed', { eventIdx: true });
    driver.wantCalls(0);
    driver.expose([...chain, ...chain, ...chain]);
    queue.complete(chains, 0, queue.fetch(chains, 32));
    expect(queue.callNeeded()).toBe(true);
  });

  it('2.8.10: asks for a kick at the next descriptor with its wrap counter', () => {
    const { driver, memory, queue, use } = setUpUsing('packed', { eventIdx: true, size: 3 });
    const words: number[] = [];
    for (let i = 0; i < 4; i++) {
      queue.armKick();
      words.push(memory.windows[0].region.i32[driver.addresses.device.offset / 4]);
      use(1);
    }
    expect(words).toEqual([0x2_8000, 0x2_8001, 0x2_8002, 0x2_0000]);
  });
});
