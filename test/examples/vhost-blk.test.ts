// The requests of a block device, right and wrong, carried out on an image: what each does to it, and what is answered.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChainBurst, ChainBytes, createDeviceQueue } from '@vio/rings';
import { ScriptedDriver, type ScriptedBuffer, freshMemory } from '@vio/rings/testing';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import * as blk from '../../examples/vhost-blk/dist/blk-layout.js';
import { BlkRequests } from '../../examples/vhost-blk/dist/blk-requests.js';
import { DiskImage } from '../../examples/vhost-blk/dist/disk-image.js';

const directory = mkdtempSync(join(tmpdir(), 'vio-blk-'));
const path = join(directory, 'disk.img');
/** Sectors of the image; a part of one follows, which is not used. */
const sectors = 64;
const all = blk.VIRTIO_BLK_F_DISCARD | blk.VIRTIO_BLK_F_WRITE_ZEROES;
const { VIRTIO_BLK_S_OK: ok, VIRTIO_BLK_S_IOERR: ioerr, VIRTIO_BLK_S_UNSUPP: unsupp } = blk;

const contents = (): Buffer => readFileSync(path);
const sector = (n: number): Buffer => contents().subarray(n * 512, (n + 1) * 512);
const filled = (byte: number, bytes = 512): Buffer => Buffer.alloc(bytes, byte);

/** Every sector is full of its number, plus 1. */
function freshImage(): void {
  const parts = Array.from({ length: sectors }, (_, n) => filled(n + 1));
  writeFileSync(path, Buffer.concat([...parts, filled(0xff, 100)]));
}

function header(type: number, at: number | bigint = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(type);
  bytes.writeBigUInt64LE(BigInt(at), 8);
  return bytes;
}

function range(at: number | bigint, count: number, flags = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(at));
  bytes.writeUInt32LE(count, 8);
  bytes.writeUInt32LE(flags, 12);
  return bytes;
}

interface Answer {
  /** The last byte of the room; undefined: there is none. */
  readonly status: number | undefined;
  /** The room in front of it. */
  readonly data: Buffer;
  readonly written: number;
}

/** What was not written stays so. */
const untouched = 0xee;

/** Carries out one request. @param cuts pieces of what is sent and of the room, in bytes */
function request(
  sent: readonly Uint8Array[],
  room: readonly number[],
  { features = all, readOnly = false } = {},
): Answer {
  using image = new DiskImage(path, readOnly);
  const memory = freshMemory({ guestAddress: 0x1000_0000, size: 1 << 20 });
  const driver = new ScriptedDriver({
    memory,
    size: 64,
    features: { format: 'split', inOrder: false, indirect: true, eventIdx: false },
  });
  const place = (length: number): ScriptedBuffer => ({
    address: driver.memory.put(filled(untouched, length)),
    length,
    writable: true,
  });
  const places = room.map((length) => place(length));
  driver.expose([
    ...sent.map((bytes) => ({ address: driver.memory.put(bytes), length: bytes.length })),
    ...places,
  ]);
  const queue = createDeviceQueue(driver.device);
  const chains = new ChainBurst(1);
  expect([queue.fetch(chains, 1), queue.broken]).toEqual([1, undefined]);
  const written = new BlkRequests(image, 'disk', features).execute(new ChainBytes(memory), chains, 0);
  const got = Buffer.concat(places.map(({ address, length }) => driver.memory.read(Number(address), length)));
  return { status: got.at(-1), data: got.subarray(0, -1), written };
}

beforeEach(freshImage);
afterAll(() => rmSync(directory, { recursive: true }));

describe('a read', () => {
  it.each([
    ['one sector', 3, [512, 1]],
    ['several', 5, [1024, 512, 1]],
    ['the last', sectors - 1, [512, 1]],
    ['none', 5, [1]],
    ['the status in the piece of the data', 0, [513]],
    ['pieces of any size', 7, [100, 1, 411, 1]],
    ['of many pieces', 0, [...Array.from({ length: 32 }, () => 16), 1]],
  ])('of %s brings what is there', (_, at, room) => {
    const bytes = room.reduce((sum, n) => sum + n, 0) - 1;
    const { status, data, written } = request([header(blk.VIRTIO_BLK_T_IN, at)], room);
    expect([status, written]).toEqual([ok, bytes + 1]);
    expect(data.equals(contents().subarray(at * 512, at * 512 + bytes))).toBe(true);
  });

  it('is right with a header in pieces', () => {
    const whole = header(blk.VIRTIO_BLK_T_IN, 9);
    const { status, data } = request([whole.subarray(0, 3), whole.subarray(3)], [512, 1]);
    expect([status, data.equals(filled(10))]).toEqual([ok, true]);
  });

  it.each([
    ['half a sector', 0, [256, 1]],
    ['a sector and a byte', 0, [513, 1]],
    ['behind the end', sectors, [512, 1]],
    ['across the end', sectors - 1, [1024, 1]],
    ['nothing behind the end', sectors + 1, [1]],
    ['a sector number of 2^63', 2n ** 63n, [512, 1]],
    ['the highest sector number', 2n ** 64n - 1n, [512, 1]],
  ])('of %s is an error, and writes nothing but that', (_, at, room) => {
    const { status, data, written } = request([header(blk.VIRTIO_BLK_T_IN, at)], room);
    expect(status).toBe(ioerr);
    expect(data.every((byte) => byte === untouched)).toBe(true);
    expect(written).toBe(room.length === 1 ? 1 : 0);
  });

  it('that sends data is an error', () => {
    expect(request([header(blk.VIRTIO_BLK_T_IN), filled(1)], [512, 1]).status).toBe(ioerr);
  });
});

describe('a write', () => {
  it.each([
    ['one sector', 3, [512]],
    ['several', 5, [512, 1024]],
    ['the last', sectors - 1, [512]],
    ['none', 5, []],
    ['pieces of any size', 7, [100, 1, 411]],
  ])('of %s changes that, and nothing else', (_, at, pieces) => {
    const before = contents();
    const sent = pieces.map((length) => filled(0xaa, length));
    const { status, written } = request([header(blk.VIRTIO_BLK_T_OUT, at), ...sent], [1]);
    expect([status, written]).toEqual([ok, 1]);
    before.set(Buffer.concat(sent), at * 512);
    expect(contents().equals(before)).toBe(true);
  });

  it.each([
    ['half a sector', 0, 256, [1]],
    ['a byte too many', 0, 513, [1]],
    ['behind the end', sectors, 512, [1]],
    ['across the end', sectors - 1, 1024, [1]],
    ['a sector number of 2^63', 2n ** 63n, 512, [1]],
    ['more room than for the status', 0, 512, [1, 1]],
  ])('of %s is an error, and changes nothing', (_, at, bytes, room) => {
    const before = contents();
    expect(request([header(blk.VIRTIO_BLK_T_OUT, at), filled(0xaa, bytes)], room).status).toBe(ioerr);
    expect(contents().equals(before)).toBe(true);
  });

  it('to a disk that is read only is an error', () => {
    const sent = [header(blk.VIRTIO_BLK_T_OUT, 3), filled(0xaa)];
    expect(request(sent, [1], { readOnly: true }).status).toBe(ioerr);
    expect(sector(3).equals(filled(4))).toBe(true);
  });
});

describe('a flush', () => {
  it('is done', () => {
    expect(request([header(blk.VIRTIO_BLK_T_FLUSH)], [1])).toMatchObject({ status: ok, written: 1 });
  });

  it.each([
    ['data', [filled(1)], [1]],
    ['room', [], [512, 1]],
  ])('with %s is an error', (_, more, room) => {
    expect(request([header(blk.VIRTIO_BLK_T_FLUSH), ...more], room).status).toBe(ioerr);
  });
});

describe('a question for the serial number', () => {
  it('is answered with 20 bytes', () => {
    const { status, data } = request([header(blk.VIRTIO_BLK_T_GET_ID)], [20, 1]);
    expect([status, data.toString('latin1')]).toEqual([ok, `disk${'\0'.repeat(16)}`]);
  });

  it.each([0, 1, 19, 21, 512])('with room for %i bytes is an error', (bytes) => {
    expect(request([header(blk.VIRTIO_BLK_T_GET_ID)], bytes === 0 ? [1] : [bytes, 1]).status).toBe(ioerr);
  });

  it('with data is an error', () => {
    expect(request([header(blk.VIRTIO_BLK_T_GET_ID), filled(1)], [20, 1]).status).toBe(ioerr);
  });
});

describe.each([
  ['discard', blk.VIRTIO_BLK_T_DISCARD, blk.VIRTIO_BLK_F_DISCARD],
  ['write-zeroes', blk.VIRTIO_BLK_T_WRITE_ZEROES, blk.VIRTIO_BLK_F_WRITE_ZEROES],
])('%s', (_name, type, feature) => {
  const of = (...ranges: Uint8Array[]) => [header(type), ...ranges];

  it('leaves everything else as it was', () => {
    const before = contents();
    expect(request(of(range(3, 2), range(60, 4)), [1]).status).toBe(ok);
    const after = contents();
    expect(after.length).toBe(before.length);
    for (const [from, to] of [
      [0, 3],
      [5, 60],
    ])
      expect(after.subarray(from * 512, to * 512).equals(before.subarray(from * 512, to * 512))).toBe(true);
    expect(after.subarray(sectors * 512).equals(filled(0xff, 100))).toBe(true);
  });

  it('takes as many ranges as it says, and an empty one', () => {
    const ranges = Array.from({ length: blk.maxRanges }, (_, i) => range(i, i % 2));
    expect(request(of(...ranges), [1]).status).toBe(ok);
  });

  it.each([
    ['without a range', []],
    ['with half a range', [range(0, 1).subarray(0, 8)]],
    ['with a range and a byte', [range(0, 1), Buffer.alloc(1)]],
    ['with too many ranges', Array.from({ length: blk.maxRanges + 1 }, () => range(0, 1))],
    ['behind the end', [range(sectors, 1)]],
    ['across the end', [range(sectors - 1, 2)]],
    ['from 2^64 - 1 on', [range(2n ** 64n - 1n, 1)]],
    ['of more sectors than it takes', [range(0, 0xffff_ffff)]],
    ['with a second range behind the end', [range(0, 1), range(sectors, 1)]],
  ])('%s is an error, and changes nothing', (_, ranges) => {
    const before = contents();
    expect(request(of(...ranges), [1]).status).toBe(ioerr);
    expect(contents().equals(before)).toBe(true);
  });

  it('with room for data is an error', () => {
    expect(request(of(range(0, 1)), [512, 1]).status).toBe(ioerr);
  });

  it('with a flag that is unknown is not supported', () => {
    expect(request(of(range(0, 1, 2)), [1]).status).toBe(unsupp);
  });

  it('that was not negotiated is not supported', () => {
    expect(request(of(range(0, 1)), [1], { features: all & ~feature }).status).toBe(unsupp);
  });

  it('on a disk that is read only is an error', () => {
    expect(request(of(range(0, 1)), [1], { readOnly: true }).status).toBe(ioerr);
    expect(sector(0).equals(filled(1))).toBe(true);
  });
});

describe('write-zeroes', () => {
  it.each([0, blk.WRITE_ZEROES_FLAG_UNMAP])('makes zeroes of what it names, flags %i', (flags) => {
    expect(request([header(blk.VIRTIO_BLK_T_WRITE_ZEROES), range(3, 2, flags)], [1]).status).toBe(ok);
    expect([sector(2), sector(3), sector(4), sector(5)].map((bytes) => bytes[0])).toEqual([3, 0, 0, 6]);
    expect(statSync(path).size).toBe(sectors * 512 + 100);
  });
});

it('a discard that may unmap is not supported: that flag is not its own', () => {
  const sent = [header(blk.VIRTIO_BLK_T_DISCARD), range(0, 1, blk.WRITE_ZEROES_FLAG_UNMAP)];
  expect(request(sent, [1]).status).toBe(unsupp);
});

describe('a request', () => {
  it.each([2, 3, 5, 10, 14, 16, 0xffff_ffff])('of type %i is not supported', (type) => {
    expect(request([header(type)], [1]).status).toBe(unsupp);
  });

  it.each([1, 4, 15])('with a header of %i bytes is an error', (bytes) => {
    expect(request([header(blk.VIRTIO_BLK_T_FLUSH).subarray(0, bytes)], [1]).status).toBe(ioerr);
  });

  it('without a header is an error', () => {
    expect(request([], [1])).toMatchObject({ status: ioerr, written: 1 });
  });

  it('without room for a status is not carried out', () => {
    const sent = [header(blk.VIRTIO_BLK_T_OUT, 3), filled(0xaa)];
    expect(request(sent, [])).toMatchObject({ status: undefined, written: 0 });
    expect(sector(3).equals(filled(4))).toBe(true);
  });
});

it('the configuration space says how large the disk is, and what a request may ask for', () => {
  const view = new DataView(blk.encodeBlkConfig(2 ** 40, 4).buffer);
  expect(view.getBigUint64(0, true)).toBe(2n ** 40n);
  const words = [12, 20, 36, 40, 44, 48, 52].map((at) => view.getUint32(at, true));
  expect(words).toEqual([126, 512, 0x8000, 16, 1, 0x8000, 16]);
  expect([view.getUint16(34, true), view.getUint8(56), view.byteLength]).toEqual([4, 1, 60]);
  expect(view.getUint32(8, true) * view.getUint32(12, true)).toBe(blk.maxRequestBytes);
});
