import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configPart, configReply } from './config-payload.ts';
import { inflight, iotlb, logArea, memoryRegion, memoryTable } from './memory-payloads.ts';
import type { PayloadCodec } from './payload-codec.ts';
import { none, opaque, u64, wideNumber } from './scalar-payloads.ts';
import { vringAddress, vringArea, vringFd, vringState } from './vring-payloads.ts';

const u8 = fc.integer({ min: 0, max: 255 });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const wide = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const address = fc.nat({ max: 2 ** 40 });
const aligned = (to: number) => address.map((value) => value * to);
const region = fc.record({
  guestAddress: address,
  size: fc.integer({ min: 1, max: 2 ** 40 }),
  userAddress: address,
  mmapOffset: address,
});
/** Regions one behind the other, with gaps, so that none overlap. */
const regions = fc
  .array(fc.tuple(region, fc.nat({ max: 4096 })), { minLength: 1, maxLength: 8 })
  .map((list) => {
    let at = 0;
    return list.map(([one, gap]) => {
      const placed = { ...one, guestAddress: at + gap };
      at += gap + one.size;
      return placed;
    });
  });
const config = fc.uint8Array({ minLength: 1, maxLength: 256 }).chain((data) =>
  fc.record({
    offset: fc.nat({ max: 256 - data.length }),
    flags: fc.nat({ max: 1 }),
    data: fc.constant(data),
  }),
);

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

function roundTrips<T>(name: string, codec: PayloadCodec<T>, values: fc.Arbitrary<T>): void {
  it(`${name} is decoded to what was encoded`, () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(codec.decode(codec.encode(value, name), name)).toEqual(value);
      }),
    );
  });

  const sizes = [codec.minBytes - 1, codec.maxBytes + 1].filter((size) => size >= 0);
  it.each(sizes)(`${name} is refused with %i bytes`, (size) => {
    expect(() => codec.decode(new Uint8Array(size), name)).toThrow(
      expect.objectContaining({ code: 'VIO_VHOST_MESSAGE_SIZE' }),
    );
  });
}

describe('every payload', () => {
  roundTrips('none', none, fc.constant(undefined));
  roundTrips('u64', u64, wide);
  roundTrips('a number in 64 bits', wideNumber(0, Number.MAX_SAFE_INTEGER), fc.maxSafeNat());
  roundTrips('opaque bytes', opaque(1, 64), fc.uint8Array({ minLength: 1, maxLength: 64 }));
  roundTrips('a vring state', vringState(0, 0xffff_ffff), fc.record({ index: u8, value: u32 }));
  roundTrips('a vring fd', vringFd, fc.record({ index: u8, hasFd: fc.boolean() }));
  roundTrips(
    'a vring address',
    vringAddress,
    fc
      .record({
        index: u8,
        flags: fc.nat({ max: 1 }),
        descriptors: aligned(16),
        device: aligned(4),
        driver: aligned(2),
        log: address,
      })
      .map((value) => (value.flags === 0 ? { ...value, log: 0 } : value)),
  );
  roundTrips(
    'a vring area',
    vringArea,
    fc.record({ index: u8, hasFd: fc.boolean(), size: address, offset: address }),
  );
  roundTrips('a memory table', memoryTable, regions);
  roundTrips('a memory region', memoryRegion, region);
  roundTrips('a log', logArea, fc.record({ size: fc.integer({ min: 1, max: 2 ** 40 }), offset: address }));
  roundTrips(
    'an inflight area',
    inflight,
    fc.record({
      mmapSize: address,
      mmapOffset: address,
      queues: fc.integer({ min: 1, max: 256 }),
      queueSize: fc.integer({ min: 1, max: 32768 }),
    }),
  );
  roundTrips(
    'an IOTLB message',
    iotlb,
    fc.record({
      iova: wide,
      size: wide,
      userAddress: wide,
      permissions: fc.nat({ max: 3 }),
      type: fc.integer({ min: 1, max: 4 }),
    }),
  );
  roundTrips('a part of the configuration', configPart, config);
  roundTrips('an answer with configuration', configReply, fc.option(config, { nil: undefined }));
});

describe('bytes on the wire', () => {
  it('lays out a vring address as the C structure: index, flags, descriptors, used, available, log', () => {
    const value = {
      index: 3,
      flags: 1,
      descriptors: 0x1_2345_6780,
      device: 0x2004,
      driver: 0x3002,
      log: 0x4001,
    };
    expect(vringAddress.encode(value, 'x')).toEqual(
      bytes('03000000 01000000 8067452301000000 0420000000000000 0230000000000000 0140000000000000'),
    );
  });

  it('lays out a memory table as count, padding, then guest address, size, user address, offset', () => {
    const value = [{ guestAddress: 0x1000, size: 0x2000, userAddress: 0x7fff_0000_0000, mmapOffset: 0x3000 }];
    expect(memoryTable.encode(value, 'x')).toEqual(
      bytes('0100000000000000 0010000000000000 0020000000000000 00000000ff7f0000 0030000000000000'),
    );
  });

  it('puts 8 bytes of padding before a single region', () => {
    const value = { guestAddress: 1, size: 2, userAddress: 3, mmapOffset: 4 };
    expect(memoryRegion.encode(value, 'x')).toEqual(
      bytes('0000000000000000 0100000000000000 0200000000000000 0300000000000000 0400000000000000'),
    );
  });

  it('says in bit 8 that no descriptor comes along', () => {
    expect(vringFd.encode({ index: 5, hasFd: false }, 'x')).toEqual(bytes('0501000000000000'));
    expect(vringFd.encode({ index: 5, hasFd: true }, 'x')).toEqual(bytes('0500000000000000'));
  });

  it('lays out an IOTLB message with permissions and type in bytes 24 and 25', () => {
    const value = { iova: 1n, size: 2n, userAddress: 3n, permissions: 3, type: 2 };
    expect(iotlb.encode(value, 'x')).toEqual(
      bytes('0100000000000000 0200000000000000 0300000000000000 0302000000000000'),
    );
  });

  it('lays out configuration as offset, size, flags, then the bytes', () => {
    const value = { offset: 10, flags: 1, data: new Uint8Array([0xaa, 0xbb]) };
    expect(configPart.encode(value, 'x')).toEqual(bytes('0a000000 02000000 01000000 aabb'));
  });

  it('takes an inflight area with and without the padding at its end', () => {
    const value = { mmapSize: 4096, mmapOffset: 0, queues: 2, queueSize: 256 };
    const encoded = inflight.encode(value, 'x');
    expect(encoded).toEqual(bytes('0010000000000000 0000000000000000 02000001 00000000'));
    expect(inflight.decode(encoded.subarray(0, 20), 'x')).toEqual(value);
  });

  it('takes an empty answer to GET_CONFIG for a failure', () => {
    expect(configReply.decode(new Uint8Array(0), 'x')).toBe(undefined);
  });
});

describe('one wrong field', () => {
  const top = 'ffffffffffffffff';
  const good8 = '0000000000000000';
  const region0 = '0000000000000000 0010000000000000 0000000000000000 0000000000000000';
  const region1 = '0010000000000000 0010000000000000 0010000000000000 0000000000000000';

  const cases: [what: string, codec: PayloadCodec<unknown>, payload: string, message: RegExp][] = [
    ['a vring index of 256', vringState(0, 9), '00010000 00000000', /index is 256, allowed is 0 to 255/],
    [
      'a ring of no descriptors',
      vringState(1, 32768),
      '00000000 00000000',
      /value is 0, allowed is 1 to 32768/,
    ],
    ['a ring that is too large', vringState(1, 32768), '00000000 01800000', /value is 32769/],
    ['reserved bits beside a vring index', vringFd, '0002000000000000', /bits 9 to 63 of the payload is 1/],
    ['high reserved bits', vringFd, '0000000000000080', /bits 9 to 63/],
    ['an unknown vring flag', vringAddress, `00000000 02000000 ${good8.repeat(4)}`, /flags is 2/],
    [
      'descriptors off their alignment',
      vringAddress,
      `00000000 00000000 0800000000000000 ${good8.repeat(3)}`,
      /descriptor address is 8, allowed is a multiple of 16/,
    ],
    [
      'a used ring off its alignment',
      vringAddress,
      `00000000 00000000 ${good8} 0200000000000000 ${good8.repeat(2)}`,
      /used \(device\) address is 2/,
    ],
    [
      'an available ring off its alignment',
      vringAddress,
      `00000000 00000000 ${good8.repeat(2)} 0100000000000000 ${good8}`,
      /available \(driver\) address is 1/,
    ],
    [
      'a log address beyond 2^53',
      vringAddress,
      `00000000 01000000 ${good8.repeat(3)} ${top}`,
      /log address is .*allowed is 0 to 2\^53 - 1/,
    ],
    ['a table of no regions', memoryTable, `00000000 00000000 ${region0}`, /number of regions is 0/],
    ['a table of nine regions', memoryTable, `09000000 00000000 ${region0}`, /number of regions is 9/],
    [
      'regions that overlap',
      memoryTable,
      `02000000 00000000 ${region0} ${region0}`,
      /guest address of a region is 0, allowed is 4096 or more/,
    ],
    [
      'an empty region',
      memoryTable,
      `02000000 00000000 ${region0} 0010000000000000 ${good8.repeat(3)}`,
      /size of region 1 is 0/,
    ],
    [
      'a guest address beyond 2^53',
      memoryRegion,
      `${good8} ${top} 01${good8.slice(2)} ${good8.repeat(2)}`,
      /guest address of the region/,
    ],
    [
      'a user address beyond 2^53',
      memoryRegion,
      `${good8} ${good8} 01${good8.slice(2)} ${top} ${good8}`,
      /user address of the region/,
    ],
    [
      'an mmap offset beyond 2^53',
      memoryRegion,
      `${good8} ${good8} 01${good8.slice(2)} ${good8} ${top}`,
      /mmap offset of the region/,
    ],
    [
      'a region that ends beyond 2^53',
      memoryRegion,
      `${good8} ${good8} ffffffffffff1f00 0100000000000000 ${good8}`,
      /user address of the end of the region/,
    ],
    ['a log of no bytes', logArea, `${good8} ${good8}`, /log size is 0/],
    [
      'an inflight area without queues',
      inflight,
      `${good8} ${good8} 0000 0001 00000000`,
      /number of queues is 0/,
    ],
    [
      'an inflight area of no descriptors',
      inflight,
      `${good8} ${good8} 0100 0000 00000000`,
      /queue size is 0/,
    ],
    ['permissions of three bits', iotlb, `${good8.repeat(3)} 0401000000000000`, /permissions is 4/],
    ['an IOTLB message of type 0', iotlb, `${good8.repeat(3)} 0000000000000000`, /message type is 0/],
    ['an IOTLB message of type 5', iotlb, `${good8.repeat(3)} 0005000000000000`, /message type is 5/],
    [
      'a size that is not what came',
      configPart,
      '00000000 02000000 00000000 aa',
      /size field is 2, allowed is 1/,
    ],
    ['configuration beyond byte 256', configPart, '00010000 01000000 00000000 aa', /offset is 256/],
    ['unknown configuration flags', configPart, '00000000 01000000 02000000 aa', /flags is 2/],
    ['a status of nine bits', wideNumber(0, 255), '0001000000000000', /value is 256, allowed is 0 to 255/],
  ];

  it.each(cases)('is refused: %s', (_what, codec, payload, message) => {
    const refusal = expect.objectContaining({
      code: 'VIO_VHOST_MESSAGE_VALUE',
      message: expect.stringMatching(message),
    });
    expect(() => codec.decode(bytes(payload), 'SOME_MESSAGE')).toThrow(refusal);
  });

  it('is told with the name of the message', () => {
    expect(() => logArea.decode(bytes(`${good8} ${good8}`), 'SET_LOG_BASE')).toThrow(
      /^SET_LOG_BASE: the log size/,
    );
  });

  it('in a memory table is a size that does not fit the number of regions', () => {
    const payload = bytes(`02000000 00000000 ${region0}`);
    expect(() => memoryTable.decode(payload, 'x')).toThrow(
      expect.objectContaining({ code: 'VIO_VHOST_MESSAGE_SIZE' }),
    );
  });

  it('is not sent either', () => {
    expect(() => vringState(0, 1).encode({ index: 0, value: 2 }, 'SET_VRING_ENABLE')).toThrow(/value is 2/);
    expect(() => vringState(0, 9).encode({ index: 1.5, value: 2 }, 'x')).toThrow(/index is 1.5/);
    expect(() => u64.encode(1n << 64n, 'x')).toThrow(/2\^64/);
  });

  it('is not the log address of a ring that is not logged, as -1 by user-mode Linux', () => {
    const payload = bytes(`00000000 00000000 ${good8.repeat(3)} ${'ff'.repeat(8)}`);
    expect(vringAddress.decode(payload, 'x').log).toBe(0);
  });

  it.each([
    ['8 bytes', 8],
    ['room for a second region, as by user-mode Linux', 32],
    ['room for eight regions', 7 * 32],
    ['all that is ever read', 1024 - 40],
  ])('is not what comes behind the regions of a memory table: %s', (_, room) => {
    const table = new Uint8Array(40 + room).fill(0xff);
    table.set(bytes(`01000000 00000000 ${region0}`));
    expect(memoryTable.decode(table, 'x')).toHaveLength(1);
  });

  it('does not hide in regions next to each other', () => {
    const table = bytes(`02000000 00000000 ${region0} ${region1}`);
    expect(memoryTable.decode(table, 'x')).toHaveLength(2);
  });
});
