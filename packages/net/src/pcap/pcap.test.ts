import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeOfCall } from '@vio/test-support';
import { type PcapFile, pcapFileHeader, readPcap, writePcap } from './pcap.ts';

const packet = fc
  .record({
    seconds: fc.integer({ min: 0, max: 0xffff_ffff }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
    bytes: fc.uint8Array({ maxLength: 200 }),
    cut: fc.integer({ min: 0, max: 100 }),
  })
  .map(({ cut, ...rest }) => ({ ...rest, wireLength: rest.bytes.length + cut }));

const plain = (file: PcapFile) => ({
  ...file,
  packets: file.packets.map((p) => ({ ...p, bytes: [...p.bytes] })),
});

describe('pcap', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 8 }), (packets) => {
        const file = { linkType: 1, packets };
        expect(plain(readPcap(writePcap(file)))).toEqual(plain(file));
      }),
    );
  });

  it('reads big-endian files with microseconds', () => {
    const file = Buffer.alloc(24 + 16 + 2);
    file.writeUInt32BE(0xa1b2c3d4, 0);
    file.writeUInt32BE(1, 20);
    file.writeUInt32BE(7, 24);
    file.writeUInt32BE(5, 28);
    file.writeUInt32BE(2, 32);
    file.writeUInt32BE(60, 36);
    file.set([0xaa, 0xbb], 40);
    expect(plain(readPcap(file)).packets).toEqual([
      { seconds: 7, nanoseconds: 5000, wireLength: 60, bytes: [0xaa, 0xbb] },
    ]);
  });

  it.each([
    [0xa1b2c3d4, 2_500_001, { seconds: 9, nanoseconds: 500_001_000 }],
    [0xa1b23c4d, 0xffff_ffff, { seconds: 11, nanoseconds: 294_967_295 }],
    [0xa1b23c4d, 1_000_000_000, { seconds: 8, nanoseconds: 0 }],
  ])('carries a fraction over a second into the seconds: %i, %i', (magic, fraction, time) => {
    const file = Buffer.alloc(24 + 16);
    file.writeUInt32LE(magic, 0);
    file.writeUInt32LE(7, 24);
    file.writeUInt32LE(fraction, 28);
    expect(readPcap(file).packets[0]).toMatchObject(time);
  });

  it.each([
    { seconds: 1, nanoseconds: 1_000_000_000 },
    { seconds: 1, nanoseconds: -1 },
    { seconds: 1, nanoseconds: 0.5 },
    { seconds: 2 ** 32, nanoseconds: 0 },
    { seconds: Number.NaN, nanoseconds: 0 },
  ])('does not write the time %o', (time) => {
    const packets = [{ ...time, wireLength: 0, bytes: new Uint8Array(0) }];
    expect(() => writePcap({ linkType: 1, packets })).toThrow(RangeError);
  });

  it('names a file that is no pcap', () => {
    expect(codeOfCall(() => readPcap(Buffer.alloc(64, 1)))).toBe('VIO_PCAP_FORMAT');
  });

  it('names a file cut anywhere within a record', () => {
    const whole = writePcap({
      linkType: 1,
      packets: [{ seconds: 1, nanoseconds: 2, wireLength: 9, bytes: new Uint8Array(9) }],
    });
    for (let end = pcapFileHeader().length + 1; end < whole.length; end++) {
      expect(codeOfCall(() => readPcap(whole.subarray(0, end)))).toBe('VIO_PCAP_FORMAT');
    }
  });
});
