import {
  HDR_F_DATA_VALID,
  HDR_F_NEEDS_CSUM,
  HDR_GSO_TCPV4,
  PacketBurst,
  VIRTIO_NET_F_GUEST_CSUM,
} from '@vio/net';
import { readFrames } from '@vio/net/testing';
import type { BufferPool } from '@vio/rings';
import { isComplete } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import {
  type Said,
  burstOf,
  checksum,
  header,
  receive,
  segmentation,
  takes,
  tcp,
  transmit,
} from '../../test-support/offloading-drivers.ts';
import { headerBytes, packet, packetPool } from '../../test-support/packets.ts';
import { cases } from '../../test-support/singles-setup.ts';
import { LargeBuffers } from './large-buffers.ts';

const shapes: [string, number[]][] = [
  ['in one descriptor', []],
  ['behind a descriptor for its header', [headerBytes]],
  ['in several, cut within the header', [5, 40]],
];

describe.each(cases)('$format, $where: a driver', (side) => {
  describe.each(shapes)('with packets %s', (_, cuts) => {
    it('tells what it leaves to us', () => {
      const { path, pool, send } = transmit(side);
      send({}, packet(60), ...cuts);
      send(checksum, tcp(100), ...cuts);
      const burst = new PacketBurst(8, { offloads: true });
      // Other packets had these entries before.
      burst.offloads?.flags.fill(9);
      burst.offloads?.gsoType.fill(9);
      const count = path.run(pool, burst, 8);
      const { flags, gsoType, checksumStart, checksumOffset } = burst.offloads ?? {};
      expect([count, readFrames(burst)]).toEqual([2, [packet(60), tcp(100)]]);
      expect([flags?.[0], flags?.[1], gsoType?.[0], gsoType?.[1]]).toEqual([0, HDR_F_NEEDS_CSUM, 0, 0]);
      expect([checksumStart?.[1], checksumOffset?.[1]]).toEqual([34, 16]);
    });

    it.each<[string, Said]>([
      ['a checksum beyond the packet', { ...checksum, offset: 4000 }],
      ['a checksum that begins beyond it', { ...checksum, start: 0xffff }],
      ['segments of no bytes', { ...segmentation, size: 0 }],
      ['segments without a checksum', { ...segmentation, flags: 0, type: HDR_GSO_TCPV4, size: 100 }],
      ['segments of a kind that was not agreed on', { ...segmentation, type: 4 }],
      ['segments of a kind that there is not', { ...segmentation, type: 0x77 }],
    ])('has one dropped that says %s, and the next one arrives', (_what, said) => {
      const { path, pool, send, stats } = transmit(side);
      send({ ...said, flags: said.flags ?? HDR_F_NEEDS_CSUM | 0x80 }, tcp(100), ...cuts);
      send({}, packet(60), ...cuts);
      const burst = new PacketBurst(8, { offloads: true });
      const received = [...Array(2)].flatMap(() => {
        path.run(pool, burst, 8);
        const contents = readFrames(burst);
        burst.release();
        return contents;
      });
      // Without flags nothing is said of segments, and the type alone makes no sense only with some.
      expect([received.at(-1), stats.get('errors') + received.length, pool.free]).toEqual([
        packet(60),
        2,
        pool.count,
      ]);
    });

    it('has its checksums completed for who has no place for offloads', () => {
      const { path, pool, send } = transmit(side);
      send(checksum, tcp(100), ...cuts);
      const burst = new PacketBurst(8);
      path.run(pool, burst, 8);
      expect(readFrames(burst).map(isComplete)).toEqual([true]);
    });
  });

  it('may not say that a checksum is right', () => {
    const { path, pool, send } = transmit(side);
    send({ flags: HDR_F_DATA_VALID }, packet(60));
    const burst = new PacketBurst(8, { offloads: true });
    path.run(pool, burst, 8);
    expect(burst.offloads?.flags[0]).toBe(0);
  });

  it('has large packets cut for who has no place for offloads, over several bursts, in order', () => {
    const { path, pool, send } = transmit(side);
    send({}, packet(60, 1));
    send(segmentation, tcp(5500), headerBytes, 3000);
    send({}, packet(60, 2));
    const received: Uint8Array[] = [];
    const burst = new PacketBurst(4);
    for (let i = 0; i < 6; i++) {
      path.run(pool, burst, 4);
      received.push(...readFrames(burst));
      burst.release();
    }
    const lengths = received.map((bytes) => bytes.length);
    expect([lengths, received[0], received.at(-1), pool.free]).toEqual([
      [60, 1054, 1054, 1054, 1054, 1054, 554, 60],
      packet(60, 1),
      packet(60, 2),
      pool.count,
    ]);
    expect(received.slice(1, -1).every(isComplete)).toBe(true);
  });

  it('gets back what waits to be cut when its ring stops', () => {
    const { path, pool, send } = transmit(side);
    send(segmentation, tcp(5500), headerBytes);
    const burst = new PacketBurst(2);
    path.run(pool, burst, 2);
    burst.release();
    path.dispose();
    expect(pool.free).toBe(pool.count);
  });

  it('has what does not fit one buffer dropped with linear buffers, and the next one arrives', () => {
    const { path, pool, send, stats } = transmit(side, { linear: true });
    send({}, packet(pool.dataRoom + 1), headerBytes);
    send({}, packet(pool.dataRoom), headerBytes);
    const burst = new PacketBurst(8, { offloads: true });
    path.run(pool, burst, 8);
    expect([readFrames(burst), stats.get('errors')]).toEqual([[packet(pool.dataRoom)], 1]);
  });

  it.each([
    ['small buffers when its segments fit them', 1000, false],
    ['a large one when they do not', 4000, true],
  ])('has a packet that is to be cut kept in %s', (_what, size, inLarge) => {
    const external = new LargeBuffers();
    const { path, pool, send, stats } = transmit(side, { external });
    send({ ...segmentation, size }, tcp(9000));
    send({}, packet(60));
    const burst = new PacketBurst(2);
    const came: Uint8Array[] = [];
    const parts: number[] = [];
    const pools = new Set<BufferPool | undefined>();
    while (path.run(pool, burst, 2) > 0) {
      const { pool: from } = burst;
      parts.push(...burst.segments.subarray(0, burst.count));
      pools.add(from);
      came.push(...readFrames(burst));
      burst.release();
    }
    expect([Math.max(...parts), pools.has(external.pool)]).toEqual([1, inLarge]);
    expect(came.map(({ length }) => length)).toEqual(
      inLarge ? [4054, 4054, 1054, 60] : [...Array.from({ length: 9 }, () => 1054), 60],
    );
    expect([pool.free, external.pool.free, stats.get('errors')]).toEqual([
      pool.count,
      external.pool.count,
      0,
    ]);
  });

  it.each<[string, Said, Uint8Array, number[]]>([
    ['of TCP', { ...segmentation, headers: 9 }, tcp(3000), [HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4, 54]],
    ['of a checksum alone', { ...checksum, headers: 9 }, tcp(100), [HDR_F_NEEDS_CSUM, 0, 54]],
    ['of nothing when it is no IP', checksum, packet(100), [0, 0, 0]],
    ['of nothing when the checksum is elsewhere', { ...checksum, start: 36 }, tcp(100), [0, 0, 0]],
  ])('is told as a sender says it, if so asked for: %s', (_what, said, bytes, expected) => {
    const { path, pool, send } = transmit(side, { transmitMetadata: true });
    send(said, bytes);
    const burst = new PacketBurst(8, { offloads: true });
    path.run(pool, burst, 8);
    const { flags, gsoType, headerLength } = burst.offloads ?? {};
    expect([flags?.[0], gsoType?.[0], headerLength?.[0]]).toEqual(expected);
  });

  it('may send 64 KiB', () => {
    const { path, pool, send } = transmit(side);
    const bytes = tcp(65_495);
    send({ ...segmentation, size: 1448 }, bytes, headerBytes, 40_000);
    const burst = new PacketBurst(8, { offloads: true });
    path.run(pool, burst, 8);
    expect([burst.length[0], readFrames(burst)[0]]).toEqual([65_549, bytes]);
  });
});

describe.each(cases)('$format, $where: to a driver', (side) => {
  it('that takes it, what is left to do is told', () => {
    const { path, received, supply: give } = receive(side, takes);
    give(4, 2048);
    const pool = packetPool();
    path.run(pool, burstOf(pool, checksum, tcp(100), tcp(200)), 0, 2);
    path.run(pool, burstOf(pool, {}, packet(60)), 0, 1);
    const told = header(checksum);
    told[10] = 1;
    const plain = header({});
    plain[10] = 1;
    expect(received()).toEqual([
      { header: told, bytes: tcp(100) },
      { header: told, bytes: tcp(200) },
      { header: plain, bytes: packet(60) },
    ]);
  });

  it('that does not, checksums are completed, and the packets stay as they are for others', () => {
    const { path, received, supply: give } = receive(side, 0n);
    give(4, 2048);
    const pool = packetPool();
    const burst = burstOf(pool, checksum, tcp(100), tcp(3000 - 54));
    path.run(pool, burst, 0, 2);
    const came = received();
    const whole = Uint8Array.of(...came[1].bytes, ...came[2].header, ...came[2].bytes);
    expect([came[0].header[0], isComplete(came[0].bytes), isComplete(whole)]).toEqual([0, true, true]);
    expect([readFrames(burst), burst.offloads?.flags[0]]).toEqual([
      [tcp(100), tcp(3000 - 54)],
      HDR_F_NEEDS_CSUM,
    ]);
  });

  it('that does not, large packets are cut', () => {
    const { path, received, supply: give } = receive(side, VIRTIO_NET_F_GUEST_CSUM);
    give(8, 2048);
    const pool = packetPool();
    const burst = burstOf(pool, segmentation, tcp(2500));
    const done = path.run(pool, burst, 0, 1);
    const came = received();
    expect([done, came.map(({ bytes }) => bytes.length)]).toEqual([1, [1054, 1054, 554]]);
    expect(came.every(({ bytes, header: said }) => isComplete(bytes) && said[0] === 0)).toBe(true);
    expect(readFrames(burst)).toEqual([tcp(2500)]);
    burst.release();
    expect(pool.free).toBe(pool.count);
  });

  it('that has no buffer at all, a large packet waits', () => {
    const { path, supply: give, received } = receive(side, 0n);
    const pool = packetPool();
    const burst = burstOf(pool, segmentation, tcp(2500));
    const before = path.run(pool, burst, 0, 1);
    give(4, 2048);
    expect([before, path.run(pool, burst, 0, 1), received().length]).toEqual([0, 1, 3]);
  });

  it('that has too few, the end of a large packet is lost and counted', () => {
    const { path, supply: give, stats, received } = receive(side, 0n);
    const pool = packetPool();
    give(2, 2048);
    const done = path.run(pool, burstOf(pool, segmentation, tcp(2500)), 0, 1);
    expect([done, received().length, stats.get('errors')]).toEqual([1, 2, 1]);
  });

  it('one that cannot be cut is dropped, and the next one arrives', () => {
    const { path, supply: give, stats, received } = receive(side, 0n);
    const pool = packetPool();
    give(4, 2048);
    const burst = burstOf(pool, segmentation, packet(3000), packet(60));
    burst.offloads?.clear(1);
    const done = path.run(pool, burst, 0, 2);
    expect([done, received().map(({ bytes }) => bytes), stats.get('errors')]).toEqual([2, [packet(60)], 1]);
  });

  it('that takes it, a large packet goes whole over as many buffers as it needs', () => {
    const { path, supply: give, received } = receive(side, takes);
    const pool = packetPool();
    give(8, 1024);
    path.run(pool, burstOf(pool, segmentation, tcp(2500)), 0, 1);
    const came = received();
    const told = header(segmentation);
    told[10] = 3;
    expect([came.length, came[0].header]).toEqual([3, told]);
  });
});
