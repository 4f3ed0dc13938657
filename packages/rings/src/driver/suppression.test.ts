import { describe, expect, it } from 'vitest';
import { kinds, packedKinds, setUp, type Kind, type Setup } from '../test-support/driver-setup.ts';

const events = [false, true];
const cases = kinds.flatMap((kind) => events.map((eventIdx) => ({ ...kind, eventIdx })));

function setUpUsing(kind: Kind, options: Setup) {
  const all = setUp(kind, options);
  const { device } = all;
  /** Sends `count` buffers there and back. */
  const use = (count: number) => {
    all.add(...Array.from({ length: count }, () => 1));
    device.use(...device.take());
    all.reap();
  };
  return { ...all, use };
}

describe.each(cases)(
  '$format, in order: $inOrder, EVENT_IDX: $eventIdx: interrupts',
  ({ eventIdx, ...kind }) => {
    it('wants none from the start', () => {
      const { device, use } = setUpUsing(kind, { eventIdx });
      use(1);
      expect(device.callWanted()).toBe(false);
    });

    it('wants one for the next buffer once armed', () => {
      const { queue, device, use } = setUpUsing(kind, { eventIdx });
      use(5);
      device.callWanted();
      expect(queue.armInterrupt()).toBe(false);
      use(1);
      expect(device.callWanted()).toBe(true);
    });

    it('wants none once disarmed, for a whole ring and more', () => {
      const { queue, device, use } = setUpUsing(kind, { eventIdx });
      queue.armInterrupt();
      use(3);
      device.callWanted();
      queue.disarmInterrupt();
      const calls = Array.from({ length: 30 }, () => {
        use(1);
        return device.callWanted();
      });
      expect(calls).not.toContain(true);
    });

    it('finds while arming what was used while it was not looking', () => {
      const { queue, device, add, reap } = setUpUsing(kind, { eventIdx });
      add(1, 2);
      device.use(device.take()[0]);
      const first = queue.armInterrupt();
      reap();
      expect([first, queue.armInterrupt()]).toEqual([true, false]);
    });

    it.each([1, 5, 7, 8])('wakes up across the ends of the ring, %i buffers at a time', (step) => {
      const { queue, device, use } = setUpUsing(kind, { eventIdx });
      const calls = Array.from({ length: 80 }, () => {
        const waiting = queue.armInterrupt();
        use(step);
        return [waiting, device.callWanted()];
      });
      expect(new Set(calls.map(String))).toEqual(new Set(['false,true']));
    });
  },
);

describe.each(cases)('$format, in order: $inOrder, EVENT_IDX: $eventIdx: kicks', ({ eventIdx, ...kind }) => {
  it('kicks a device that wants every buffer', () => {
    const { queue, device, use } = setUpUsing(kind, { eventIdx });
    const kicks = Array.from({ length: 20 }, () => {
      device.wantKicks('always');
      use(1);
      return queue.kickNeeded();
    });
    expect(kicks).not.toContain(false);
  });

  it('kicks for the first buffer of all, before the device has said anything', () => {
    const { queue, add } = setUp(kind, { eventIdx });
    add(1);
    expect(queue.kickNeeded()).toBe(true);
  });

  it('does not kick when nothing was added since the last kick', () => {
    const { queue, device, add } = setUp(kind, { eventIdx });
    device.wantKicks('always');
    const before = queue.kickNeeded();
    add(1, 2);
    queue.kickNeeded();
    expect([before, queue.kickNeeded()]).toEqual([false, false]);
  });

  it('does not kick a device that polls, for a whole ring and more', () => {
    const { queue, device, use } = setUpUsing(kind, { eventIdx });
    device.wantKicks('never');
    const kicks = Array.from({ length: 30 }, () => {
      use(1);
      return queue.kickNeeded();
    });
    expect(kicks).not.toContain(true);
  });
});

describe.each(kinds)('$format, in order: $inOrder: kicks at an event', (kind) => {
  it('kicks when a burst steps over the event', () => {
    const { queue, device, add } = setUp(kind, { eventIdx: true });
    device.wantKicks(1);
    add(1, 2, 3, 4, 5);
    expect(queue.kickNeeded()).toBe(true);
  });

  it.each([1, 5, 7, 8])('meets events across the ends of the ring, %i buffers at a time', (step) => {
    const { queue, device, use } = setUpUsing(kind, { eventIdx: true });
    const kicks = Array.from({ length: 80 }, (_, round) => {
      device.wantKicks(round % step);
      use(step);
      return queue.kickNeeded();
    });
    expect(kicks).not.toContain(false);
  });

  it.each([1, 5, 7])('does not kick just before an event, %i buffers at a time', (step) => {
    const { queue, device, use } = setUpUsing(kind, { eventIdx: true });
    const kicks = Array.from({ length: 80 }, () => {
      device.wantKicks(step);
      use(step);
      return queue.kickNeeded();
    });
    expect(kicks).not.toContain(true);
  });

  it.each([0, 5])('counts all that was added since the last look, event at %i', (event) => {
    const { queue, device, use } = setUpUsing(kind, { eventIdx: true });
    device.wantKicks(event);
    use(8);
    use(8);
    expect(queue.kickNeeded()).toBe(true);
  });

  it('meets events past the 65535th buffer', () => {
    const { queue, device, use } = setUpUsing(kind, { eventIdx: true });
    let [wrong, added] = [0, 0];
    for (let round = 0; added < 70_000; round++) {
      const step = 1 + (round % 8);
      device.wantKicks(round % 9);
      use(step);
      added += step;
      if (queue.kickNeeded() !== round % 9 < step) wrong++;
    }
    expect(wrong).toBe(0);
  });

  it('meets interrupts past the 65535th buffer', () => {
    const { queue, device, use } = setUpUsing(kind, { eventIdx: true });
    let [wrong, added] = [0, 0];
    for (let round = 0; added < 70_000; round++) {
      const step = 1 + (round % 8);
      if (round % 2 === 0) queue.armInterrupt();
      else queue.disarmInterrupt();
      use(step);
      added += step;
      if (device.callWanted() !== (round % 2 === 0)) wrong++;
    }
    expect(wrong).toBe(0);
  });
});

describe.each(packedKinds)('$format, in order: $inOrder', (kind) => {
  it('2.8.10: asks for an interrupt at the next used descriptor with its wrap counter', () => {
    const { queue, region, use } = setUpUsing(kind, { eventIdx: true, size: 3 });
    const words: number[] = [];
    for (let i = 0; i < 7; i++) {
      queue.armInterrupt();
      words.push(region.i32[queue.addresses.driver / 4]);
      use(1);
    }
    expect(words).toEqual([0x2_8000, 0x2_8001, 0x2_8002, 0x2_0000, 0x2_0001, 0x2_0002, 0x2_8000]);
  });

  it('2.8.10: without EVENT_IDX the event flags are only 0 or 1', () => {
    const { queue, region } = setUp(kind);
    const words = [region.i32[queue.addresses.driver / 4]];
    queue.armInterrupt();
    words.push(region.i32[queue.addresses.driver / 4]);
    queue.disarmInterrupt();
    words.push(region.i32[queue.addresses.driver / 4]);
    expect(words).toEqual([0x1_0000, 0, 0x1_0000]);
  });

  it('2.8.10: without EVENT_IDX takes a descriptor event for a wish to hear of everything', () => {
    const { queue, device, add } = setUp(kind);
    device.wantKicks(5);
    add(1);
    expect(queue.kickNeeded()).toBe(true);
  });

  it('2.8.10: meets an event at any slot of a list', () => {
    for (const slot of [0, 1, 2, 3]) {
      const { queue, device, addChains } = setUp(kind, { eventIdx: true, indirect: false });
      device.wantKicks(slot);
      addChains([1, 2, 3]);
      expect(queue.kickNeeded()).toBe(slot < 3);
    }
  });
});
