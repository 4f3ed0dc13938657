import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCommand, encodeCommand } from './codec.ts';
import { type ControlCommand, rxModes } from './commands.ts';

const byte = fc.integer({ min: 0, max: 255 });
const mac = (multicast: boolean) =>
  fc
    .array(byte, { minLength: 6, maxLength: 6 })
    .map(([first, ...rest]) =>
      [multicast ? first | 1 : first & 0xfe, ...rest]
        .map((value) => value.toString(16).padStart(2, '0'))
        .join(':'),
    );
const key = fc.uint8Array({ maxLength: 255 });
const hashTypes = fc.integer({ min: 0, max: 0xffff_ffff });
const queue = fc.integer({ min: 0, max: 0x7fff });
const vlan = fc.integer({ min: 0, max: 4095 });
const table = fc
  .integer({ min: 0, max: 9 })
  .chain((log2) => fc.array(queue, { minLength: 1 << log2, maxLength: 1 << log2 }));

const command: fc.Arbitrary<ControlCommand> = fc.oneof(
  fc.record({ kind: fc.constant('rx-mode'), mode: fc.constantFrom(...rxModes), on: fc.boolean() }),
  fc.record({
    kind: fc.constant('mac-table'),
    unicast: fc.array(mac(false), { maxLength: 70 }),
    multicast: fc.array(mac(true), { maxLength: 70 }),
  }),
  fc.record({ kind: fc.constant('mac-address'), mac: mac(false) }),
  fc.record({ kind: fc.constant('vlan-add'), id: vlan }),
  fc.record({ kind: fc.constant('vlan-remove'), id: vlan }),
  fc.constant({ kind: 'announce-ack' } as const),
  fc.record({ kind: fc.constant('queue-pairs'), pairs: fc.integer({ min: 1, max: 0x8000 }) }),
  fc.record({
    kind: fc.constant('rss'),
    config: fc.record({
      hashTypes,
      table,
      unclassified: queue,
      transmitQueues: fc.integer({ min: 0, max: 0xffff }),
      key,
    }),
  }),
  fc.record({ kind: fc.constant('hash'), config: fc.record({ hashTypes, key }) }),
  fc.record({ kind: fc.constant('guest-offloads'), offloads: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) }),
);

/** What the device reads: the pieces of the data, one behind the other. */
function travelled(given: ControlCommand): { class: number; command: number; data: Uint8Array } {
  const { class: controlClass, command: number, data } = encodeCommand(given);
  return { class: controlClass, command: number, data: Uint8Array.from(Buffer.concat(data)) };
}

describe('a command', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(command, (given) => {
        const { class: controlClass, command: number, data } = travelled(given);
        expect(decodeCommand(controlClass, number, data)).toEqual(given);
      }),
    );
  });

  it('that is cut short, or goes on for more than padding, is none', () => {
    fc.assert(
      fc.property(command, fc.nat(), fc.integer({ min: 4, max: 40 }), (given, cut, more) => {
        const { class: controlClass, command: number, data } = travelled(given);
        const longer = Uint8Array.from([...data, ...new Uint8Array(more)]);
        expect(decodeCommand(controlClass, number, longer)).toBe(undefined);
        if (data.length === 0) return;
        expect(decodeCommand(controlClass, number, data.subarray(0, cut % data.length))).toBe(undefined);
      }),
    );
  });
});

describe('bytes of a driver', () => {
  const small = fc.integer({ min: 0, max: 7 });

  it('are a command that says the same when it is written again, or none', () => {
    fc.assert(
      fc.property(
        fc.oneof(small, byte),
        fc.oneof(small, byte),
        fc.uint8Array({ maxLength: 400 }),
        (controlClass, number, data) => {
          const read = decodeCommand(controlClass, number, data);
          if (read === undefined) return;
          const again = travelled(read);
          expect([again.class, again.command]).toEqual([controlClass, number]);
          expect(data.subarray(0, again.data.length)).toEqual(again.data);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['a receive mode of 2', 0, 0, [2]],
    ['a receive mode nobody knows', 0, 6, [1]],
    ['a class nobody knows', 6, 0, []],
    ['a MAC table of more entries than bytes', 1, 0, [255, 255, 255, 255, 0, 0, 0, 0]],
    ['a MAC table whose size overflows 32 bits', 1, 0, [0, 0, 0, 0x80, 0, 0, 0, 0]],
    ['a MAC table with one of the two parts', 1, 0, [0, 0, 0, 0]],
    ['a multicast address among the unicast ones', 1, 0, [1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0]],
    ['an address of five bytes', 1, 1, [2, 2, 3, 4, 5]],
    ['VLAN 4096', 2, 0, [0, 0x10]],
    ['no queue pairs', 4, 0, [0, 0]],
    ['32769 queue pairs', 4, 0, [1, 0x80]],
    ['a table of three entries', 4, 1, [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]],
    ['a table of 65536 entries', 4, 1, [0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]],
    ['a queue beyond 15 bits', 4, 1, [0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 1, 0, 0]],
    ['a key longer than the command', 4, 1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9, 1]],
    ['reserved bytes that are not zero', 4, 2, [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['an acknowledgement with data', 3, 0, [0]],
  ] as const)('that are %s are none', (_, controlClass, number, data) => {
    expect(decodeCommand(controlClass, number, Uint8Array.from(data))).toBe(undefined);
  });

  it('may end with the padding of a C structure, as those of the RSS command of DPDK do', () => {
    const config = {
      hashTypes: 0x3f,
      table: Array.from({ length: 128 }, (_, i) => i % 4),
      unclassified: 0,
      transmitQueues: 4,
      key: new Uint8Array(40).fill(7),
    };
    const { data } = travelled({ kind: 'rss', config });
    expect(data).toHaveLength(307);
    expect(decodeCommand(4, 1, Uint8Array.from([...data, 0]))).toEqual({ kind: 'rss', config });
  });

  it('name receive queues by their pair', () => {
    const config = { hashTypes: 0, table: [3], unclassified: 2, transmitQueues: 4, key: new Uint8Array(0) };
    expect([...travelled({ kind: 'rss', config }).data]).toEqual([0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 4, 0, 0]);
  });
});
