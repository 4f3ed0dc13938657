import { ftruncateSync, openSync, readFileSync } from 'node:fs';
import { EventFd, SharedMemory, closeFd } from '@vio/native';
import { PacketBurst } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { MemoryMap, Region, type RingFormat, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { ScriptedDriver } from '@vio/rings/testing';
import { afterAll, describe, expect, it } from 'vitest';
import type { ScriptedFrontend } from '../../testing/index.ts';
import {
  type MemoryRegion,
  VHOST_USER_F_PROTOCOL_FEATURES,
  frontendRequests as requests,
} from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest, driverReady } from '../../test-support/guest.ts';
import { headerBytes, packet, packetPool, packetsOf, sendFrom } from '../../test-support/packets.ts';

const GiB = 2 ** 30;
const MiB = 2 ** 20;
const guestBase = 0x1_0000_0000;
const userBase = 0x7f00_0000_0000;
const size = 1024;
/** ThreadSanitizer shadows memory, and leaves a process no 4 TiB of address space in one piece. */
const shadowed = process.env['VIO_NATIVE_VARIANT'] === 'tsan';

/** A guest's memory, of holes. */
const memory = SharedMemory.create({ size: 2 * GiB + 16 * MiB, name: 'vio-test-large', populate: false });
afterAll(() => memory.close());

/**
 * A device whose memory is one region, from byte `fileAt` of its file on. What the driver uses of it begins `before`
 * bytes in front of the first GiB of the region: rings first, then its heap.
 */
async function started(format: RingFormat, fileAt: number, before: number) {
  const backend = await TestBackend.start();
  const frontend = await backend.connect();
  const features = VIRTIO_F_VERSION_1 | (format === 'packed' ? VIRTIO_F_RING_PACKED : 0n);
  const region = {
    guestAddress: guestBase,
    userAddress: userBase,
    size: memory.size - fileAt,
    mmapOffset: fileAt,
  };
  await frontend.send(requests.SET_FEATURES, features | VHOST_USER_F_PROTOCOL_FEATURES);
  await frontend.send(requests.SET_MEM_TABLE, [region], { fds: [memory.fd] });
  // The ring that is looked at is the one that lies across; the other is out of its way.
  const start = async (index: number, at: number): Promise<ScriptedDriver> => {
    new Uint8Array(memory.buffer, fileAt + at, 8 * MiB).fill(0);
    const window = {
      region: new Region(memory.buffer, fileAt + at, 8 * MiB),
      guestAddress: guestBase + at,
      userAddress: userBase + at,
      size: 8 * MiB,
    };
    const ring = { format, inOrder: false, indirect: false, eventIdx: false } as const;
    const driver = new ScriptedDriver({ memory: new MemoryMap([window]), size, features: ring });
    const { descriptors, driver: avail, device: used } = driver.addresses;
    const user = ({ offset }: { offset: number }) => userBase + at + offset;
    const addresses = { descriptors: user(descriptors), driver: user(avail), device: user(used) };
    using kick = EventFd.create();
    await frontend.send(requests.SET_VRING_NUM, { index, value: size });
    await frontend.send(requests.SET_VRING_BASE, { index, value: driver.device.base });
    await frontend.send(requests.SET_VRING_ADDR, { index, flags: 0, log: 0, ...addresses });
    await frontend.send(requests.SET_VRING_KICK, { index, hasFd: true }, { fds: [kick.fd] });
    await frontend.send(requests.SET_VRING_ENABLE, { index, value: 1 });
    return driver;
  };
  const [rx, tx] = [await start(0, GiB - before), await start(1, 2 * GiB - before)];
  await frontend.send(requests.SET_STATUS, driverReady);
  await handled(frontend);
  const pool = packetPool();
  return {
    backend,
    rx,
    tx,
    receive: () => {
      const burst = new PacketBurst();
      backend.device.dequeueBurst(1, pool, burst);
      return readFrames(burst);
    },
    send: (bytes: Uint8Array) => backend.device.enqueueBurst(0, packetsOf(pool, bytes)),
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
}

describe.each([0, 0xc_0000, 4096 + 16])(
  'memory of more than a GiB that begins at byte %d of its file',
  (fileAt) => {
    const inside: [RingFormat, string, number][] = [
      ['split', 'the descriptor table', 4096],
      ['split', 'the available ring', 16 * size + 128],
      ['split', 'the used ring', 16 * size + 2 * size + 4096],
      ['packed', 'the descriptor ring', 4096],
    ];

    it.each(inside)('holds a %s ring where %s lies across a GiB', async (format, _, before) => {
      await using set = await started(format, fileAt, before);
      for (let i = 0; i < 3; i++) {
        sendFrom(set.tx, packet(60, i));
        const at = set.rx.memory.alloc(100);
        set.rx.expose([{ address: at, length: 100, writable: true }]);
        const sent = set.send(packet(80, i));
        expect([set.receive(), sent]).toEqual([[packet(60, i)], 1]);
        expect(set.rx.memory.read(at + headerBytes, 80)).toEqual(packet(80, i));
      }
      expect([set.backend.refused, set.backend.broken]).toEqual([[], []]);
    });

    const across: [string, RingFormat, number, number][] = (['split', 'packed'] as const).flatMap(
      (format) => [
        ['a small buffer', format, 50, 200],
        ['a header', format, 5, 200],
        ['a buffer longer than windows reach', format, 50, 3 * MiB],
        ['a buffer that ends behind what windows reach', format, MiB - 50, 2 * MiB],
      ],
    );

    it.each(across)('has %s across a GiB (%s)', async (_, format, front, length) => {
      await using set = await started(format, fileAt, 4 * MiB);
      const mark = guestBase + GiB - front;
      set.rx.expose([{ address: mark, length, writable: true }]);
      const sent = set.send(packet(150, 3));
      const frame = [...new Uint8Array(headerBytes), ...packet(150, 5)];
      const from = guestBase + 2 * GiB - front;
      frame.forEach((byte, i) => set.tx.memory.setU8(from + i, byte));
      set.tx.expose([{ address: from, length: frame.length }]);
      expect([sent, set.receive()]).toEqual([1, [packet(150, 5)]]);
      expect(set.rx.memory.read(mark + headerBytes, 150)).toEqual(packet(150, 3));
    });
  },
);

/** A file of holes that nobody has mapped. */
function holes(bytes: number): Disposable & { fd: number } {
  const fd = openSync('/dev/shm', 0o20200002 /* O_TMPFILE | O_RDWR */, 0o600);
  ftruncateSync(fd, bytes);
  return { fd, [Symbol.dispose]: () => closeFd(fd) };
}

const table = (frontend: ScriptedFrontend, regions: readonly MemoryRegion[], fd: number): Promise<bigint> =>
  frontend.acknowledged(requests.SET_MEM_TABLE, regions, { fds: regions.map(() => fd) });
const of = (bytes: number): MemoryRegion => ({ guestAddress: 0, userAddress: 0, size: bytes, mmapOffset: 0 });
const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split('\n').length;

describe('a frontend with very much memory', () => {
  it('is one mapping, and V8 is told of nothing', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    using file = holes(1024 * GiB);
    const before = { mappings: mappings(), external: process.memoryUsage().external };
    const answer = await table(frontend, [of(1024 * GiB)], file.fd);
    expect([answer, mappings() - before.mappings < 16]).toEqual([0n, true]);
    expect(process.memoryUsage().external - before.external).toBeLessThan(GiB);
  });

  it.skipIf(shadowed)('leaves room for others when it has announced all it may', async () => {
    await using backend = await TestBackend.start();
    using file = holes(4096 * GiB);
    const answers = [
      await table(await backend.connect(), [of(4096 * GiB)], file.fd),
      await table(await backend.connect(), [of(4096 * GiB)], file.fd),
    ];
    using guest = new Guest();
    await guest.start(await backend.connect());
    expect([answers, backend.device.running]).toEqual([[0n, 0n], true]);
  });

  it.skipIf(shadowed)('may not announce more than 4 TiB, at once or piece by piece', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    using file = holes(8192 * GiB);
    const tooMuch = await table(frontend, [of(4096 * GiB + 4096)], file.fd);
    const most = await table(frontend, [of(4096 * GiB)], file.fd);
    const more = { ...of(4096), guestAddress: 8192 * GiB, userAddress: 8192 * GiB };
    const one = await frontend.acknowledged(requests.ADD_MEM_REG, more, { fds: [file.fd] });
    expect([tooMuch, most, one, backend.refused.map(({ code }) => code)]).toEqual([
      1n,
      0n,
      1n,
      ['VIO_VHOST_MEMORY', 'VIO_VHOST_MEMORY'],
    ]);
  });

  it('may change its memory for ever', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    using file = holes(1024 * GiB);
    const regions = Array.from({ length: 8 }, (_, i) => ({
      ...of(64 * GiB),
      guestAddress: i * 64 * GiB,
      userAddress: i * 64 * GiB,
    }));
    for (let i = 0; i < 600; i++)
      if ((await table(frontend, regions, file.fd)) !== 0n) throw backend.refused[0];
    expect(backend.refused).toEqual([]);
  });

  it('may not begin within a word', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    using file = holes(2 * GiB);
    const answer = await table(frontend, [{ ...of(GiB), mmapOffset: 4 }], file.fd);
    expect([answer, backend.refused[0].code]).toEqual([1n, 'VIO_VHOST_MEMORY']);
  });
});
