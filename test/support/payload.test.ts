import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameLedger, makeFrame, minFrameBytes, readFrame } from './payload.ts';

const identity = fc.record({
  sequence: fc.nat(0xffff_ffff),
  queue: fc.nat(127),
  length: fc.integer({ min: minFrameBytes, max: 9728 }),
});

describe('a frame', () => {
  it('says which one it is', () => {
    fc.assert(
      fc.property(identity, (id) => {
        expect(readFrame(makeFrame(id))).toEqual(id);
      }),
    );
  });

  it('is recognised with its MAC addresses swapped only when that is expected', () => {
    fc.assert(
      fc.property(identity, (id) => {
        expect(readFrame(makeFrame(id, true), true)).toEqual(id);
        expect(() => readFrame(makeFrame(id, true), false)).toThrow('wrong from byte');
      }),
    );
  });

  it('is refused when any one bit changed', () => {
    fc.assert(
      fc.property(identity, fc.nat(), (id, bit) => {
        const frame = makeFrame(id);
        frame[(bit >>> 3) % id.length] ^= 1 << (bit & 7);
        expect(() => readFrame(frame)).toThrow(/wrong from byte|says it has/);
      }),
    );
  });

  it('is refused when it was cut or lengthened', () => {
    const frame = makeFrame({ sequence: 1, queue: 0, length: 64 });
    expect(() => readFrame(frame.subarray(0, 63))).toThrow('says it has 64');
    expect(() => readFrame(new Uint8Array([...frame, 0]))).toThrow('says it has 64');
  });
});

describe('a ledger', () => {
  it('refuses a frame that came twice', () => {
    const ledger = new FrameLedger(0);
    const [id] = ledger.next(1, 64);
    ledger.leave(1);
    ledger.arrive(id);
    expect(() => ledger.arrive(id)).toThrow('came twice');
  });

  it('refuses a frame nobody sent', () => {
    expect(() => new FrameLedger(0).arrive({ sequence: 0, queue: 0, length: 64 })).toThrow('from nowhere');
  });

  it('refuses a frame of another queue', () => {
    const ledger = new FrameLedger(1);
    expect(() => ledger.arrive({ sequence: 0, queue: 0, length: 64 })).toThrow('came out of queue 1');
  });

  it('names what is missing', () => {
    const ledger = new FrameLedger(0);
    const [, second] = ledger.next(2, 64);
    ledger.leave(2);
    ledger.arrive(second);
    expect(ledger.missing).toBe('1 (0)');
  });
});
