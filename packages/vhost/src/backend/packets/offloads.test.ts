import {
  HDR_F_DATA_VALID,
  HDR_F_NEEDS_CSUM,
  HDR_GSO_TCPV4,
  PacketBurst,
  QueueStats,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_HOST_TSO4,
} from '@vio/net';
import { HeaderCodec } from '@vio/net/internal';
import { readFrames } from '@vio/net/testing';
import type { BufferPool } from '@vio/rings';
import { freshMemory } from '@vio/rings/testing';
import { isComplete, naiveChecksum, tcpSegment } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { packet, packetPool, packetsOf, supply } from '../../test-support/packets.ts';
import { cases, setUpSingles } from '../../test-support/singles-setup.ts';
import { DequeuePath } from './dequeue.ts';
import type { DequeueOptions } from './dequeue-options.ts';
import { EnqueuePath } from './enqueue.ts';
import { LargeBuffers } from './large-buffers.ts';

const headerBytes = 12;
type Side = (typeof cases)[number];

/** A TCP segment over IPv4 with the pseudo-header's sum where its checksum is to be. */
function tcp(payload: number): Uint8Array {
  const bytes = tcpSegment(payload);
  const pseudo = [...bytes.subarray(26, 34), 0, 6, (20 + payload) >>> 8, (20 + payload) & 0xff];
  new DataView(bytes.buffer).setUint16(50, ~naiveChecksum(Uint8Array.from(pseudo)));
  return bytes;
}

interface Said {
  readonly flags?: number;
  readonly type?: number;
  readonly headers?: number;
  readonly size?: number;
  readonly start?: number;
  readonly offset?: number;
}
const checksum: Said = { flags: HDR_F_NEEDS_CSUM, start: 34, offset: 16 };
const segmentation: Said = { ...checksum, type: HDR_GSO_TCPV4, headers: 54, size: 1000 };

function header({ flags = 0, type = 0, headers = 0, size = 0, start = 0, offset = 0 }: Said): Uint8Array {
  const view = new DataView(new ArrayBuffer(headerBytes));
  view.setUint8(0, flags);
  view.setUint8(1, type);
  for (const [i, value] of [headers, size, start, offset].entries()) view.setUint16(2 + 2 * i, value, true);
  return new Uint8Array(view.buffer);
}

const work = VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4;
const takes = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4;

/** A driver's transmit queue that may leave work to us. */
function transmit({ engine, format }: Side, options: DequeueOptions = {}) {
  const memory = freshMemory({ guestAddress: 0x1_ffff_8000, size: 0x10_0000 });
  const set = setUpSingles(engine, format, { memory, size: 64, headerBytes: 0 });
  const stats = new QueueStats();
  const path = new DequeuePath(set.queue, set.copier, headerBytes, stats, HeaderCodec.sent(work), options);
  return {
    ...set,
    path,
    stats,
    pool: packetPool(128),
    /** @param cuts where the frame, header in front, is cut into descriptors */
    send: (said: Said, bytes: Uint8Array, ...cuts: number[]): void => {
      const frame = Uint8Array.of(...header(said), ...bytes);
      const at = set.driver.memory.put(frame);
      const ends = [...cuts, frame.length];
      set.driver.expose(
        ends.map((end, i) => ({ address: at + (cuts[i - 1] ?? 0), length: end - (cuts[i - 1] ?? 0) })),
      );
    },
  };
}

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

/** A driver's receive queue, of a driver that takes so much of the work. */
function receive({ engine, format }: Side, taken: bigint, mergeable = true) {
  const memory = freshMemory({ guestAddress: 0x1_ffff_8000, size: 0x10_0000 });
  const set = setUpSingles(engine, format, { memory, size: 64, writable: true });
  const stats = new QueueStats();
  const codec = taken === 0n ? undefined : HeaderCodec.received(taken);
  const path = new EnqueuePath(set.queue, set.copier, memory, headerBytes, mergeable, stats, codec);
  const buffers: number[] = [];
  return {
    path,
    stats,
    supply: (count: number, bytes: number) => {
      for (let i = 0; i < count; i++) buffers.push(supply(set.driver, bytes));
    },
    /** What has come, each with its header. */
    received: (): { header: Uint8Array; bytes: Uint8Array }[] =>
      set.driver.used().map(({ length }) => {
        const at = buffers.shift() ?? 0;
        const all = set.driver.memory.read(at, length);
        return { header: all.subarray(0, headerBytes), bytes: all.subarray(headerBytes) };
      }),
  };
}

function burstOf(pool: BufferPool, said: Said, ...packets: Uint8Array[]): PacketBurst {
  const plain = packetsOf(pool, ...packets);
  const burst = new PacketBurst(64, { offloads: true });
  burst.pool = pool;
  for (let i = 0; i < plain.count; i++) {
    burst.buffer[i] = plain.buffer[i];
    burst.offset[i] = plain.offset[i];
    burst.length[i] = plain.length[i];
    burst.segments[i] = plain.segments[i];
  }
  burst.count = plain.count;
  const { offloads } = burst;
  offloads?.flags.fill(said.flags ?? 0);
  offloads?.gsoType.fill(said.type ?? 0);
  offloads?.headerLength.fill(said.headers ?? 0);
  offloads?.segmentSize.fill(said.size ?? 0);
  offloads?.checksumStart.fill(said.start ?? 0);
  offloads?.checksumOffset.fill(said.offset ?? 0);
  return burst;
}

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
