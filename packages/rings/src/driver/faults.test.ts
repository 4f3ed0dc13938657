import { describe, expect, it } from 'vitest';
import type { QueueFaultCode } from '../fault.ts';
import type { SeenChain } from '../testing/chain-reader.ts';
import type { ScriptedDevice } from '../testing/scripted-device.ts';
import {
  inOrderKinds,
  kinds,
  packedKinds,
  setUp,
  splitKinds,
  type Kind,
  type Setup,
} from '../test-support/driver-setup.ts';

/** What a device does with the chains it has taken: five buffers and a direct list of two, in a ring of 8. */
type Misdeed = (device: ScriptedDevice, chains: readonly SeenChain[]) => void;

/** Of the six buffers, those delivered before the queue breaks. */
type Case = readonly [what: string, delivered: number, misdeed: Misdeed];

const badIds: readonly Case[] = [
  ['an id right behind the last', 0, (device) => device.use({ id: 8 })],
  ['the highest id of 16 bits', 0, (device) => device.use({ id: 0xffff })],
  ['an id that was never exposed', 0, (device) => device.use({ id: 7 })],
  ['an id of its own after a good one', 1, (device, [a]) => device.use(a, { id: 7 })],
  ['the same id twice in one burst', 1, (device, [a]) => device.use(a, a)],
];
const splitIds: readonly Case[] = [
  ['an id of 2^16', 0, (device) => device.use({ id: 0x1_0000 })],
  ['an id that is good in its low 16 bits only', 0, (device, [a]) => device.use({ id: 0x1_0000 | a.id })],
  ['an id of 2^31', 0, (device) => device.use({ id: 0x8000_0000 })],
  ['the highest id', 0, (device) => device.use({ id: 0xffff_ffff })],
  ['the second descriptor of a list', 0, (device, chains) => device.use({ id: chains[5].list[1].index })],
];
const jumps: readonly Case[] = [
  ['more used than there are', 0, (device) => device.setUsedIndex(7)],
  ['a used index that goes back', 0, (device) => device.setUsedIndex(0xffff)],
  ['a used index half way round', 0, (device) => device.setUsedIndex(0x8000)],
];
const splitOrder: readonly Case[] = [
  ['a buffer before its turn, not as a batch', 0, (device, [, b]) => device.use(b)],
  ['a batch that is counted short', 0, (device, [, , c]) => device.use(c, c)],
  ['such a batch behind a good one', 1, (device, [a, , c]) => device.use(a, c)],
];

const cases = kinds.flatMap((kind) => {
  const split = kind.format === 'split';
  const inOrder = split && kind.inOrder;
  const ids = [...badIds, ...(split ? splitIds : []), ...(inOrder ? splitOrder : [])];
  return [
    ...ids.map((fault) => [kind, 'USED_ID_INVALID', ...fault] as const),
    ...(split ? jumps : []).map((fault) => [kind, 'USED_INDEX_JUMPED', ...fault] as const),
  ];
});

const title = ({ format, inOrder }: Kind) => `${format}${inOrder ? ', in order' : ''}`;

/**
 * A queue with buffers at the device, five of one segment and a list of two; where used entries are looked at: a split queue in order
 * does not of buffers that the device only reads.
 */
function exposed(kind: Kind, options: Setup = {}) {
  const deviceWrites = kind.format === 'split' && kind.inOrder;
  const all = setUp(kind, { indirect: false, deviceWrites, ...options });
  const tokens = [...all.add(1, 2, 3, 4, 5), ...all.addChains([6, 7])];
  return { ...all, tokens, chains: all.device.take() };
}

const named = cases.map(
  ([kind, code, what, delivered, misdeed]) =>
    [`${title(kind)}: ${what}`, code, kind, delivered, misdeed] as const,
);

describe('a device that misbehaves breaks its queue', () => {
  it.each(named)('by %s: %s', (_, code: QueueFaultCode, kind, delivered, misdeed) => {
    const { queue, device, chains, tokens, reap } = exposed(kind);
    misdeed(device, chains);
    expect(reap().map(([token]) => token)).toEqual(tokens.slice(0, delivered));
    expect(queue.broken?.code).toBe(code);
  });

  it.each(named)('by %s: every buffer comes back once', (_, _code, kind, _delivered, misdeed) => {
    const { queue, device, chains, tokens, pool, reap, reclaim } = exposed(kind);
    misdeed(device, chains);
    const back = [...reap().map(([token]) => token), ...reclaim()];
    expect(back.toSorted((a, b) => a - b)).toEqual(tokens.toSorted((a, b) => a - b));
    expect([pool.free, queue.outstanding, queue.free]).toEqual([pool.count, 0, 8]);
  });

  it.each(named)('by %s: nothing moves from then on', (_, _code, kind, _delivered, misdeed) => {
    const { queue, device, chains, pool, add, addChains, reap } = exposed(kind);
    misdeed(device, chains);
    reap();
    const { broken, outstanding } = queue;
    device.use(...chains.filter(({ id }) => device.held.has(id)));
    const moved = [add(1), addChains([1, 2]), pool.supply(queue, 1, 0), reap()];
    expect(moved).toEqual([[], [], 0, []]);
    expect([queue.kickNeeded(), queue.armInterrupt()]).toEqual([false, false]);
    expect([queue.broken, queue.outstanding]).toEqual([broken, outstanding]);
  });

  it.each(named)(
    'by %s: and its memory, not that around it, is all that changes',
    (_, _code, kind, _n, misdeed) => {
      const { queue, device, chains, region, pool, reap } = exposed(kind);
      const outside = () => [
        region.u8.slice(0, queue.addresses.descriptors),
        region.u8.slice(pool.dataBase - pool.headroom - 4096),
      ];
      misdeed(device, chains);
      const before = outside();
      reap();
      queue.disarmInterrupt();
      queue.armInterrupt();
      expect(outside()).toEqual(before);
    },
  );

  it.each(named)('by %s: the other queue of the pool goes on', (_, _code, kind, _delivered, misdeed) => {
    const bad = exposed(kind);
    const { region, pool } = bad;
    // In the space in front of the first queue, which no ring of 8 fills.
    const other = setUp(kind, { size: 8, indirect: false, queue: { region, offset: 0 } });
    misdeed(bad.device, bad.chains);
    bad.reap();
    const [token, offset, length] = [new Int32Array(4), new Int32Array(4), new Int32Array(4).fill(9)];
    pool.alloc(token, 0, 4);
    offset.set(token.map((b) => pool.dataBase + b * pool.stride));
    expect(other.queue.add(token, offset, length, 0, 4, 0)).toBe(4);
    expect([other.queue.broken, other.queue.outstanding, bad.queue.broken === undefined]).toEqual([
      undefined,
      4,
      false,
    ]);
  });
});

describe.each(kinds)('$format, in order: $inOrder: what is no fault', (kind) => {
  it.each([
    [60, 60],
    [73, 73],
    [0x7fff_ffff, 0x7fff_ffff],
    [0xffff_ffff, -1],
  ])('hands on a length of %i as the device says it, larger than the buffer as well', (said, length) => {
    const { queue, device, add, reap } = setUp(kind, { deviceWrites: true });
    const [token] = add(60);
    device.use({ ...device.take()[0], length: said });
    expect([reap(), queue.broken]).toEqual([[[token, length]], undefined]);
  });

  it('says in the fault what was read', () => {
    const { queue, device, reap } = exposed(kind);
    device.use({ id: 4711 });
    reap();
    expect(queue.broken?.detail).toBe('the device used id 4711, which is not outstanding');
  });
});

describe('split, in order, of buffers that the device only reads', () => {
  const kind = { format: 'split', inOrder: true } as const;

  it.each([...badIds, ...splitIds, ...splitOrder])('takes no notice of %s', (_, _delivered, misdeed) => {
    const { queue, device, chains, tokens, reap } = exposed(kind, { deviceWrites: false });
    misdeed(device, chains);
    const used = device.memory.u16(device.addresses.device + 2);
    expect(reap()).toEqual(tokens.slice(0, used).map((token) => [token, 0]));
    expect([queue.broken, queue.outstanding]).toEqual([undefined, 6 - used]);
  });

  it.each(jumps)('breaks by %s', (_, _delivered, misdeed) => {
    const { queue, device, chains, reap } = exposed(kind, { deviceWrites: false });
    misdeed(device, chains);
    expect([reap(), queue.broken?.code]).toEqual([[], 'USED_INDEX_JUMPED']);
  });
});

describe.each(splitKinds)('$format, in order: $inOrder', (kind) => {
  it('takes any flags of the used ring for a wish of its lowest bit', () => {
    const { queue, device, add } = setUp(kind);
    const kicks = [0xffff, 0xfffe, 1, 0].map((flags) => {
      device.setFlags(flags);
      add(1);
      return queue.kickNeeded();
    });
    expect(kicks).toEqual([false, true, false, true]);
  });

  it('says in the fault how far the index went', () => {
    const { queue, device, reap } = exposed(kind);
    device.setUsedIndex(300);
    reap();
    expect(queue.broken?.detail).toBe('used.idx moved by 300, 6 buffers were outstanding');
  });

  it('breaks by an index that goes back over what was taken', () => {
    const { queue, device, chains, reap } = exposed(kind);
    device.use(...chains.slice(0, 3));
    reap(2);
    device.setUsedIndex(1);
    expect([reap(), queue.broken?.code]).toEqual([[], 'USED_INDEX_JUMPED']);
  });
});

describe.each(packedKinds)('$format, in order: $inOrder', (kind) => {
  it.each([
    ['the wrap counter of the other lap', 0],
    ['AVAIL without USED', 0x80],
    ['USED without AVAIL', 0x8000],
  ])('does not see a descriptor used with %s', (_, bits) => {
    const { queue, device, chains, reap } = exposed(kind);
    device.memory.setDescriptor(queue.addresses.descriptors, 0, 0, chains[0].id | (bits << 16));
    expect([reap(), queue.broken, queue.outstanding]).toEqual([[], undefined, 6]);
  });

  it('does not see descriptors used behind one that is not', () => {
    const { queue, device, chains, reap } = exposed(kind);
    device.memory.setDescriptor(queue.addresses.descriptors + 16, 0, 0, chains[1].id | 0x8080_0000);
    expect([reap(), queue.broken, queue.outstanding]).toEqual([[], undefined, 6]);
  });

  it('kicks when the event flags are the reserved 3', () => {
    const { queue, device, add } = setUp(kind);
    device.setFlags(3);
    add(1);
    expect(queue.kickNeeded()).toBe(true);
  });

  it.each([0x7fff, 0xffff, 0x8008])('never passes an event outside the ring: %i', (event) => {
    const { queue, device, add } = setUp(kind, { eventIdx: true });
    device.memory.setU16(queue.addresses.device, event);
    device.setFlags(2);
    add(1);
    expect(queue.kickNeeded()).toBe(false);
  });
});

describe.each(inOrderKinds)('$format, in order', (kind) => {
  it('breaks by the id of a buffer that has come back in a batch', () => {
    const { queue, device, chains, reap } = exposed(kind);
    device.useBatch(chains.slice(0, 3));
    reap();
    device.use({ id: chains[1].id });
    expect([reap(), queue.broken?.code]).toEqual([[], 'USED_ID_INVALID']);
  });

  it('gives back the rest of a batch that was taken in part before the queue broke', () => {
    const { queue, device, chains, tokens, pool, reap, reclaim } = exposed(kind);
    device.useBatch(chains.slice(0, 4));
    device.use({ id: 7 });
    const back = [...reap(2), ...reap()].map(([token]) => token);
    expect([back, queue.broken?.code]).toEqual([tokens.slice(0, 4), 'USED_ID_INVALID']);
    expect([reclaim(), pool.free]).toEqual([tokens.slice(4).toSorted((a, b) => a - b), pool.count]);
  });
});
