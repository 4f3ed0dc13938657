import { MemoryMap, Region, type RingFeatures, type RingFormat, createDeviceQueue } from '@vio/rings';
import { ScriptedDriver, type ScriptedChain } from '@vio/rings/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ } from '../feature-bits.ts';
import type { ControlCommand } from './commands.ts';
import { ControlResponder } from './control-responder.ts';
import { everyFeature } from '../test-support/control-pair.ts';

const bodyAt = 0x4000;
const answerAt = 0x7000;
const untouched = 0xee;

/** A device with a driver that can do anything. */
interface SetUpOptions {
  readonly format?: RingFormat;
  readonly features?: bigint;
  readonly execute?: () => boolean;
}

function setUp({ format = 'split', features = everyFeature, execute = () => true }: SetUpOptions = {}) {
  const ring: RingFeatures = { format, inOrder: false, indirect: true, eventIdx: false };
  const region = new Region(new ArrayBuffer(0x20000));
  const memory = new MemoryMap([{ region, guestAddress: 0, userAddress: 0, size: region.size }]);
  const driver = new ScriptedDriver({ memory, size: 8, features: ring });
  const queue = createDeviceQueue(driver.device);
  const told: ControlCommand[] = [];
  const responder = new ControlResponder({
    queue,
    memory,
    features,
    execute: (command) => {
      told.push(command);
      return execute();
    },
  });
  region.u8.fill(untouched, answerAt, answerAt + 64);
  return { region, driver, responder, told, queue };
}

type SetUp = ReturnType<typeof setUp>;

/** Exposes a command in pieces of these lengths. @returns its chain */
function give(
  { region, driver }: SetUp,
  bytes: readonly number[],
  pieces: readonly number[],
  room = 1,
): void {
  region.u8.set(bytes, bodyAt);
  let at = bodyAt;
  const chain: ScriptedChain = [
    ...pieces.map((length) => ({ address: (at += length) - length, length })),
    ...(room === 0 ? [] : [{ address: answerAt, length: room, writable: true }]),
  ];
  driver.expose(chain);
}

describe.each(['split', 'packed'] as const)('a %s control queue', (format) => {
  it.each([
    ['class and command in one descriptor, the data in another', [2, 2]],
    ['everything in one', [4]],
    ['byte by byte', [1, 1, 1, 1]],
    ['cut anywhere', [3, 1]],
  ])('takes a command with %s', (_, pieces) => {
    const set = setUp({ format });
    give(set, [4, 0, 3, 0], pieces);
    expect(set.responder.serve()).toBe(1);
    expect(set.told).toEqual([{ kind: 'queue-pairs', pairs: 3 }]);
    expect(set.region.u8[answerAt]).toBe(0);
    expect(set.driver.used()).toMatchObject([{ length: 1 }]);
  });

  it('answers in one byte, however much room there is', () => {
    const set = setUp({ format });
    give(set, [3, 0], [2], 60);
    set.responder.serve();
    expect([...set.region.u8.subarray(answerAt, answerAt + 3)]).toEqual([0, untouched, untouched]);
  });

  it.each([
    ['a class nobody knows', [77, 0], [2]],
    ['too little data', [4, 0, 3], [3]],
    ['too much data', [4, 0, 3, 0, 0], [5]],
    ['a class only', [4], [1]],
    ['nothing to read', [], []],
  ])('refuses %s', (_, bytes, pieces) => {
    const set = setUp({ format });
    give(set, bytes, pieces);
    expect(set.responder.serve()).toBe(1);
    expect([set.told, set.region.u8[answerAt], set.queue.broken]).toEqual([[], 1, undefined]);
  });

  it('does nothing for a driver that leaves no room for the answer', () => {
    const set = setUp({ format });
    give(set, [4, 0, 3, 0], [4], 0);
    expect(set.responder.serve()).toBe(1);
    expect([set.told, set.queue.broken]).toEqual([[], undefined]);
  });

  it('refuses a command of many bytes unread', () => {
    const set = setUp({ format });
    set.driver.expose([
      { address: 0, length: 0x10000 },
      { address: answerAt, length: 1, writable: true },
    ]);
    set.responder.serve();
    expect([set.told, set.region.u8[answerAt]]).toEqual([[], 1]);
  });

  it('breaks at a descriptor that is nowhere', () => {
    const set = setUp({ format });
    set.driver.expose([{ address: 0x10_0000, length: 2 }]);
    expect(set.responder.serve()).toBe(0);
    expect(set.queue.broken?.code).toBe('ADDRESS_UNMAPPED');
  });
});

it('refuses what the application refuses', () => {
  const set = setUp({ execute: () => false });
  give(set, [4, 0, 3, 0], [2, 2]);
  set.responder.serve();
  expect(set.region.u8[answerAt]).toBe(1);
});

it('refuses a command whose feature was not negotiated', () => {
  const set = setUp({ features: VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX });
  give(set, [4, 0, 3, 0], [2, 2]);
  give(set, [0, 0, 1], [2, 1]);
  set.responder.serve();
  expect(set.told).toEqual([{ kind: 'rx-mode', mode: 'promiscuous', on: true }]);
});

it('answers no before what an application throws gets out', () => {
  const set = setUp({
    execute: () => {
      throw new TypeError('application');
    },
    features: VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_MQ,
  });
  give(set, [4, 0, 3, 0], [2, 2]);
  expect(() => set.responder.serve()).toThrow('application');
  expect([set.region.u8[answerAt], set.driver.used().length]).toEqual([1, 1]);
});

it('never throws, and gives no command twice, whatever a driver exposes', () => {
  const piece = fc.record({
    address: fc.oneof(fc.integer({ min: 0, max: 0x20000 }), fc.integer({ min: 0, max: 0x30000 })),
    length: fc.oneof(fc.integer({ min: 0, max: 16 }), fc.integer({ min: 0, max: 0x20000 })),
    writable: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.constantFrom('split' as const, 'packed' as const),
      fc.array(fc.array(piece, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 2 }),
      (format, chains) => {
        const set = setUp({ format });
        for (const chain of chains) set.driver.expose(chain);
        set.responder.serve();
        expect(set.told.length).toBeLessThanOrEqual(chains.length);
        expect(set.responder.serve()).toBe(0);
      },
    ),
  );
});
