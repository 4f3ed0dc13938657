import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FlowHash } from './flow-hash.ts';

const byte = fc.integer({ min: 0, max: 255 });
const bytes = (length: number) => fc.array(byte, { minLength: length, maxLength: length });

/** A frame of one end of a flow to another. */
function frame(version: 4 | 6, protocol: number, from: Uint8Array, to: Uint8Array): Uint8Array {
  const addressBytes = version === 4 ? 4 : 16;
  const header =
    version === 4
      ? [8, 0, 0x45, ...new Uint8Array(8), protocol, 0, 0]
      : [0x86, 0xdd, 0x60, ...new Uint8Array(5), protocol, 64];
  const ends = [from, to];
  return Uint8Array.from([
    ...new Uint8Array(12),
    ...header,
    ...ends.flatMap((end) => [...end.subarray(0, addressBytes)]),
    ...ends.flatMap((end) => [...end.subarray(16, 18)]),
    ...new Uint8Array(20),
  ]);
}

const hash = (u8: Uint8Array, at = 0, length = u8.length - at): number => new FlowHash().of(u8, at, length);

it('is the same in both directions', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<4 | 6>(4, 6),
      fc.constantFrom(6, 17, 1, 132),
      fc.uint8Array({ minLength: 18, maxLength: 18 }),
      fc.uint8Array({ minLength: 18, maxLength: 18 }),
      (version, protocol, one, other) => {
        expect(hash(frame(version, protocol, one, other))).toBe(hash(frame(version, protocol, other, one)));
      },
    ),
  );
});

it('depends on the frame alone, whatever is in it, and not on what is around it', () => {
  fc.assert(
    fc.property(
      fc.constantFrom([8, 0], [0x86, 0xdd], [0x81, 0], [0, 0]),
      bytes(12),
      fc.uint8Array({ maxLength: 100 }),
      fc.integer({ min: 0, max: 9 }),
      byte,
      (type, macs, rest, lead, around) => {
        const inside = [...macs, ...type, ...rest];
        const memory = new Uint8Array(lead + inside.length + 2100).fill(around);
        memory.set(inside, lead);
        expect(hash(memory, lead, inside.length)).toBe(hash(Uint8Array.from(inside)));
      },
    ),
  );
});
