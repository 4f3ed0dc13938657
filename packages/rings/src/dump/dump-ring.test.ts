import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Kind,
  type Setup,
  kinds,
  packedKinds,
  prefix,
  setUp,
  splitKinds,
} from '../test-support/driver-setup.ts';
import type { RingFormat } from '../format.ts';
import { DESC_F_AVAIL, DESC_F_INDIRECT, DESC_F_NEXT } from '../layout/descriptor.ts';
import { Region } from '../memory/region.ts';
import { dumpRing, ringDumpText } from './dump-ring.ts';
import { type RingView, driverRingView } from './ring-view.ts';

const title = ({ format, inOrder }: Kind): string => `${format}${inOrder ? ' in-order' : ''}`;
const named = (list: readonly Kind[]): [string, Kind][] => list.map((kind) => [title(kind), kind]);

/** A driver queue and a way to look at it. */
function seen(kind: Kind, options: Setup = {}) {
  const all = setUp(kind, options);
  const view = () => driverRingView(all.queue, all.region, all.features.eventIdx);
  return { ...all, view, dump: (limit?: number) => dumpRing(view(), limit === undefined ? {} : { limit }) };
}

describe.each(named(kinds))('the dump of a %s ring', (_, kind) => {
  it('has nothing in flight at first', () => {
    expect(seen(kind).dump()).toMatchObject({
      size: 8,
      broken: undefined,
      inFlight: 0,
      listed: [],
      used: [],
    });
  });

  it('has the descriptors of every buffer in flight', () => {
    const { add, dump, pool, queue } = seen(kind);
    const tokens = add(60, 100);
    const { inFlight, listed } = dump();
    const found = listed.map(({ descriptors }) =>
      descriptors.map(({ address, length }) => [address, length]),
    );
    const at = (token: number) => `0x${(pool.dataBase + token * pool.stride - prefix).toString(16)}`;
    expect([inFlight, queue.outstanding]).toEqual([2, 2]);
    expect(found).toEqual([[[at(tokens[0]), 60 + prefix]], [[at(tokens[1]), 100 + prefix]]]);
  });

  it('says which way a buffer goes', () => {
    const { add, dump } = seen(kind, { deviceWrites: true });
    add(60);
    expect(dump().listed[0].descriptors[0].flags).toContain('WRITE');
  });

  it('has the entries of indirect tables', () => {
    const { addChains, dump } = seen(kind);
    addChains([10, 20, 30]);
    const [{ descriptors, indirect }] = dump().listed;
    expect(descriptors.map(({ flags }) => flags.includes('INDIRECT'))).toEqual([true]);
    expect(indirect?.map(({ length }) => length)).toEqual([10 + prefix, 20, 30]);
  });

  it('has every descriptor of a direct chain', () => {
    const { addChains, dump } = seen(kind, { indirect: false });
    addChains([10, 20, 30]);
    const [{ descriptors, wrong }] = dump().listed;
    expect([descriptors.map(({ length }) => length), wrong]).toEqual([[10 + prefix, 20, 30], undefined]);
  });

  it('lists as many as are wanted, and counts all', () => {
    const { add, dump } = seen(kind);
    add(1, 2, 3, 4, 5);
    const { inFlight, listed } = dump(2);
    expect([inFlight, listed.length]).toEqual([5, 2]);
  });

  it('has what the device wrote', () => {
    const { add, device, dump } = seen(kind, { deviceWrites: true });
    add(60, 60);
    device.use({ ...device.take()[0], length: 42 });
    expect(dump().used.map(({ length }) => length)).toEqual([42]);
  });

  it('is there when the ring is broken, with the reason', () => {
    const { add, device, dump, reap } = seen(kind, { deviceWrites: true });
    add(60, 61);
    device.use({ id: 77 });
    reap();
    const { broken, inFlight } = dump();
    expect([broken?.code, inFlight]).toEqual([expect.stringContaining('USED'), 2]);
  });

  it('is plain data', () => {
    const { add, dump } = seen(kind);
    add(60);
    expect(JSON.parse(JSON.stringify(dump()))).toEqual(dump());
  });

  it('trusts nothing: whatever is in the memory, it ends and is bounded', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(255)), fc.integer({ min: 0, max: 8 }), (bytes, count) => {
        const { add, region, queue, view } = seen(kind);
        add(...Array.from({ length: count }, () => 60));
        const { u8 } = region;
        const end = queue.addresses.device + 128;
        const garbage = bytes[Symbol.iterator]();
        for (let at = queue.addresses.descriptors; at < end; at++) u8[at] = Number(garbage.next().value);
        for (const held of [view().held, undefined]) {
          const dump = dumpRing({ ...view(), held }, { limit: 64 });
          for (const { descriptors, indirect } of dump.listed) {
            expect(descriptors.length + (indirect?.length ?? 0)).toBeLessThanOrEqual(16);
          }
          expect(ringDumpText('ring', dump).length).toBeLessThan(64_000);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe.each(named(splitKinds))('the dump of a %s ring', (_, kind) => {
  it('has both indexes, and the events as flags', () => {
    const { add, device, dump, queue } = seen(kind);
    add(60, 61, 62);
    device.use(device.take()[0]);
    queue.armInterrupt();
    expect(dump()).toMatchObject({
      availableIndex: 3,
      usedIndex: 1,
      driverEvents: { flags: 0, meaning: 'enabled' },
      deviceEvents: { flags: 0, meaning: 'enabled' },
    });
  });

  it('has event indexes where they were negotiated', () => {
    const { add, dump, queue } = seen(kind, { eventIdx: true });
    add(60);
    queue.armInterrupt();
    expect(dump().driverEvents).toEqual({ flags: 0, meaning: 'at descriptor', event: 0 });
  });

  it('finds what is in flight without the help of the driver', () => {
    const { add, view } = seen(kind);
    add(60, 61);
    expect(dumpRing({ ...view(), held: undefined }).listed.map(({ head }) => head)).toEqual([0, 1]);
  });
});

describe.each(named(packedKinds))('the dump of a %s ring', (_, kind) => {
  it('has the event structures', () => {
    const { dump, queue } = seen(kind);
    const silent = dump().driverEvents;
    queue.armInterrupt();
    expect([silent.meaning, dump().driverEvents.meaning]).toEqual(['disabled', 'enabled']);
  });

  it('has the descriptor of an event where they were negotiated', () => {
    const { dump, queue } = seen(kind, { eventIdx: true });
    queue.armInterrupt();
    expect(dump().driverEvents).toEqual({ flags: 2, meaning: 'at descriptor', event: 0, wrap: 1 });
  });
});

describe('a ring that its driver has filled', () => {
  const size = 1024;
  /** @param flags and next, or id and flags, of all descriptors; their tables are the ring itself */
  function filled(format: RingFormat, last: (slot: number) => number): RingView {
    const region = new Region(new ArrayBuffer(64 << 10));
    for (let slot = 0; slot < size; slot++) {
      region.i32[4 * slot + 2] = 16 * size;
      region.i32[4 * slot + 3] = last(slot);
    }
    return {
      format,
      size,
      eventIdx: false,
      descriptors: { region, offset: 0 },
      driver: { region, offset: 32 << 10 },
      device: { region, offset: 48 << 10 },
      broken: undefined,
      held: format === 'split' ? Array.from({ length: size }, (_, slot) => slot) : undefined,
      find: (_, bytes) => (bytes <= region.size ? { region, offset: 0 } : undefined),
    };
  }

  it.each([
    ['chains that go round', 'split', (slot: number) => DESC_F_NEXT | (((slot + 1) % size) << 16), 64, 0],
    ['tables as long', 'split', () => DESC_F_INDIRECT, 1, 64],
    ['one chain', 'packed', () => (DESC_F_AVAIL | DESC_F_NEXT) << 16, 64, 0],
    ['tables as long', 'packed', () => (DESC_F_AVAIL | DESC_F_INDIRECT) << 16, 1, 64],
  ] as const)('with %s is told in part: %s', (_, format, last, told, entries) => {
    const { listed } = dumpRing(filled(format, last));
    expect(listed.length).toBeLessThanOrEqual(16);
    for (const { descriptors, indirect = [], more = 0 } of listed) {
      expect([descriptors.length, indirect.length]).toEqual([told, entries]);
      expect(more).toBe(size - 64);
    }
  });
});

describe('ringDumpText', () => {
  it('says it for a person', () => {
    const { add, device, dump, queue } = seen({ format: 'split', inOrder: false }, { deviceWrites: true });
    add(60, 61);
    device.use({ ...device.take()[0], length: 42 });
    queue.armInterrupt();
    expect(ringDumpText('receiveq0', dump(1))).toMatch(
      /^receiveq0: split, 8 descriptors, available index 2, used index 1, 2 in flight\n  the driver's interrupts: enabled \(flags 0\)\n  the device's kicks: enabled \(flags 0\)\n  in flight 0: \[0\] 0x[0-9a-f]+ 72 bytes WRITE\n  and 1 more in flight\n  used in slot 0: id 0, 42 bytes written$/,
    );
  });
});
