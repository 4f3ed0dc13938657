import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SharedMemory } from '@vio/native';
import { PacketBurst } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import {
  type QueueFaultCode,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import type { ScriptedDriver } from '@vio/rings/testing';
import { describe, expect, it } from 'vitest';
import { TestBackend } from '../../test-support/test-backend.ts';
import { Guest, type GuestOptions } from '../../test-support/guest.ts';
import { packet, packetPool, packetsOf, sendFrom, supply } from '../../test-support/packets.ts';

type Format = 'split' | 'packed';
const NEXT = 1;
const INDIRECT = 4;
const guestEnd = 0x1_0010_0000;

/** A device that runs, with two pairs: the second one is to be unharmed by what happens to the first. */
class Pair implements AsyncDisposable {
  readonly backend: TestBackend;
  readonly guest: Guest;

  constructor(backend: TestBackend, guest: Guest) {
    this.backend = backend;
    this.guest = guest;
  }

  static async start(format: Format, options: GuestOptions & { indirect?: boolean } = {}): Promise<Pair> {
    const { indirect = true } = options;
    const backend = await TestBackend.start();
    const features =
      VIRTIO_F_VERSION_1 |
      (indirect ? VIRTIO_F_INDIRECT_DESC : 0n) |
      (format === 'packed' ? VIRTIO_F_RING_PACKED : 0n);
    const guest = new Guest({ rings: 4, features, ring: { format, indirect }, ...options });
    await guest.start(await backend.connect());
    return new Pair(backend, guest);
  }

  /** One burst in the direction of a ring. @returns packets moved */
  burst(ring: number): number {
    const { device } = this.backend;
    const pool = packetPool();
    if (ring % 2 === 1) return device.dequeueBurst(ring, pool, new PacketBurst());
    return device.enqueueBurst(ring, packetsOf(pool, packet(60)));
  }

  /** A packet through each of the rings 2 and 3. */
  others(): number[] {
    supply(this.guest.rings[2], 256);
    sendFrom(this.guest.rings[3], packet(60));
    return [this.burst(2), this.burst(3)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend[Symbol.asyncDispose]();
    this.guest[Symbol.dispose]();
  }
}

/** What a driver can write into a ring; `writable` is what the ring's direction asks for. */
interface Misdeed {
  readonly what: string;
  readonly code: QueueFaultCode;
  readonly formats: readonly Format[];
  readonly commit: (driver: ScriptedDriver, writable: boolean) => void;
}

const split = ['split'] as const;
const packed = ['packed'] as const;
const both = ['split', 'packed'] as const;
const room = (driver: ScriptedDriver): number => driver.memory.alloc(128);

const misdeeds: readonly Misdeed[] = [
  {
    what: 'a chain that leads back to its start',
    code: 'DESCRIPTOR_LOOP',
    formats: split,
    commit: (d, writable) => d.expose([{ address: room(d), length: 128, writable, next: 0 }]),
  },
  {
    what: 'a chain that goes on behind the last descriptor of the ring',
    code: 'CHAIN_TOO_LONG',
    formats: packed,
    commit: (d, writable) => {
      const address = room(d);
      d.expose(Array.from({ length: 8 }, () => ({ address, length: 128, writable, flags: NEXT })));
    },
  },
  {
    what: 'next outside of the ring',
    code: 'DESCRIPTOR_INDEX_INVALID',
    formats: split,
    commit: (d, writable) => d.expose([{ address: room(d), length: 8, writable, next: 8 }]),
  },
  {
    what: 'a head outside of the ring',
    code: 'DESCRIPTOR_INDEX_INVALID',
    formats: split,
    commit: (d) => d.exposeHead(8),
  },
  {
    what: 'an available index that jumps',
    code: 'AVAIL_INDEX_JUMPED',
    formats: split,
    commit: (d) => d.setAvailIndex(9),
  },
  {
    what: 'an available index that goes back',
    code: 'AVAIL_INDEX_JUMPED',
    formats: split,
    commit: (d) => d.setAvailIndex(0xffff),
  },
  {
    what: 'an indirect table in an indirect table',
    code: 'INDIRECT_NESTED',
    formats: split,
    commit: (d, writable) =>
      d.expose([{ table: [{ address: room(d), length: 128, writable, flags: INDIRECT }] }]),
  },
  {
    what: 'a loop in an indirect table',
    code: 'DESCRIPTOR_LOOP',
    formats: split,
    commit: (d, writable) => d.expose([{ table: [{ address: room(d), length: 128, writable, next: 0 }] }]),
  },
  {
    what: 'next outside of the indirect table',
    code: 'DESCRIPTOR_INDEX_INVALID',
    formats: split,
    commit: (d, writable) => d.expose([{ table: [{ address: room(d), length: 128, writable, next: 1 }] }]),
  },
  {
    what: 'an indirect table that is no multiple of 16',
    code: 'INDIRECT_LENGTH',
    formats: both,
    commit: (d, writable) => d.expose([{ table: [{ address: room(d), length: 128, writable }], length: 24 }]),
  },
  {
    what: 'an empty indirect table',
    code: 'INDIRECT_LENGTH',
    formats: both,
    commit: (d) => d.expose([{ table: [], length: 0 }]),
  },
  {
    what: 'an indirect table with more entries than the ring',
    code: 'CHAIN_TOO_LONG',
    formats: both,
    commit: (d, writable) => {
      const address = room(d);
      d.expose([{ table: Array.from({ length: 9 }, () => ({ address, length: 128, writable })) }]);
    },
  },
  {
    what: 'an indirect table in no region',
    code: 'ADDRESS_UNMAPPED',
    formats: both,
    commit: (d) => d.expose([{ address: 16, length: 16, flags: INDIRECT }]),
  },
  {
    what: 'an indirect table that is not the end of its chain',
    code: 'INDIRECT_WITH_NEXT',
    formats: both,
    commit: (d, writable) =>
      d.expose([{ table: [{ address: room(d), length: 128, writable }], flags: NEXT }]),
  },
  {
    what: 'a buffer in no region',
    code: 'ADDRESS_UNMAPPED',
    formats: both,
    commit: (d, writable) => d.expose([{ address: 0, length: 128, writable }]),
  },
  {
    what: 'a buffer across the end of the last region',
    code: 'ADDRESS_UNMAPPED',
    formats: both,
    commit: (d, writable) => d.expose([{ address: guestEnd - 64 + 0x10_0000, length: 128, writable }]),
  },
  {
    what: 'a buffer that wraps around the end of the address space',
    code: 'ADDRESS_UNMAPPED',
    formats: both,
    commit: (d, writable) => d.expose([{ address: 2n ** 64n - 16n, length: 128, writable }]),
  },
  {
    what: 'a buffer of 4 GiB',
    code: 'ADDRESS_UNMAPPED',
    formats: both,
    commit: (d, writable) => d.expose([{ address: room(d), length: 0xffff_ffff, writable }]),
  },
  {
    what: 'a readable buffer behind a writable one',
    code: 'DESCRIPTOR_ORDER',
    formats: both,
    commit: (d) =>
      d.expose([
        { address: room(d), length: 64, writable: true },
        { address: room(d), length: 64 },
      ]),
  },
];

const cases = misdeeds.flatMap(({ formats, ...misdeed }) =>
  formats.flatMap((format) => [0, 1].map((ring) => ({ format, ring, ...misdeed }))),
);

describe('a ring breaks, and says why:', () => {
  it.each(cases)('$what, $format ring $ring: $code', async ({ format, ring, code, commit }) => {
    await using pair = await Pair.start(format);
    commit(pair.guest.rings[ring], ring === 0);
    expect(pair.burst(ring)).toBe(0);
    expect(pair.backend.broken).toMatchObject([{ queue: ring, fault: { code } }]);
  });

  it.each(both)('an indirect table that was not negotiated, %s', async (format) => {
    await using pair = await Pair.start(format, { indirect: false });
    const driver = pair.guest.rings[1];
    driver.expose([{ table: [{ address: room(driver), length: 128 }] }]);
    pair.burst(1);
    expect(pair.backend.broken[0].fault.code).toBe('INDIRECT_NOT_NEGOTIATED');
  });
});

describe.each(both)('of a device with a broken %s ring', (format) => {
  async function broken() {
    const pair = await Pair.start(format);
    pair.guest.rings[1].expose([{ address: 0, length: 128 }]);
    pair.burst(1);
    return pair;
  }

  it('the other rings go on', async () => {
    await using pair = await broken();
    expect(pair.others()).toEqual([1, 1]);
  });

  it('the frontend is told by the error eventfd of the ring, and of no other', async () => {
    await using pair = await broken();
    expect(pair.guest.errs.map((err) => err.drain())).toEqual([false, true, false, false]);
  });

  it('the ring moves nothing more, and is not told of again', async () => {
    await using pair = await broken();
    const moved = Array.from({ length: 200 }, () => pair.burst(1));
    expect([Math.max(...moved), pair.backend.broken.length]).toEqual([0, 1]);
  });

  it('the packets in front of the fault have arrived', async () => {
    await using pair = await Pair.start(format);
    const driver = pair.guest.rings[1];
    sendFrom(driver, packet(60, 1));
    driver.expose([{ address: 0, length: 128 }]);
    const burst = new PacketBurst();
    pair.backend.device.dequeueBurst(1, packetPool(), burst);
    expect(readFrames(burst)).toEqual([packet(60, 1)]);
  });
});

describe('a packet that makes no sense on a ring that does is dropped and counted:', () => {
  it.each([0, 1, 11, 12])('%d bytes, of which 12 are the header', async (length) => {
    await using pair = await Pair.start('split');
    const driver = pair.guest.rings[1];
    driver.expose([{ address: room(driver), length }]);
    sendFrom(driver, packet(60, 2));
    const burst = new PacketBurst();
    pair.backend.device.dequeueBurst(1, packetPool(), burst);
    expect(readFrames(burst)).toEqual([packet(60, 2)]);
    expect(pair.backend.device.queueStats(1)?.get('errors')).toBe(1);
  });

  it('64 KiB', async () => {
    await using pair = await Pair.start('split');
    const driver = pair.guest.rings[1];
    driver.expose([{ address: driver.memory.alloc(65_536 + 12), length: 65_536 + 12 }]);
    expect([pair.burst(1), driver.used().length]).toEqual([0, 1]);
  });

  it('a buffer the device may only write', async () => {
    await using pair = await Pair.start('split');
    supply(pair.guest.rings[1], 128);
    expect([pair.burst(1), pair.guest.rings[1].used().length]).toEqual([0, 1]);
  });
});

describe('a packet in thousands of descriptors', () => {
  const pieces = 8000;

  it('arrives from the driver', async () => {
    await using pair = await Pair.start('split', { rings: 2, size: 8192 });
    const driver = pair.guest.rings[1];
    const frame = new Uint8Array(8 * pieces);
    frame.set(packet(frame.length - 12), 12);
    const at = driver.memory.put(frame);
    driver.expose(Array.from({ length: pieces }, (_, i) => ({ address: at + 8 * i, length: 8 })));
    const burst = new PacketBurst();
    pair.backend.device.dequeueBurst(1, packetPool(), burst);
    expect(readFrames(burst)).toEqual([packet(frame.length - 12)]);
  });

  it('arrives at the driver', async () => {
    await using pair = await Pair.start('split', { rings: 2, size: 8192 });
    const driver = pair.guest.rings[0];
    const at = driver.memory.alloc(8 * pieces);
    driver.expose(
      Array.from({ length: pieces }, (_, i) => ({ address: at + 8 * i, length: 8, writable: true })),
    );
    const sent = packet(8 * pieces - 12);
    pair.backend.device.enqueueBurst(0, packetsOf(packetPool(), sent));
    expect(driver.memory.read(at + 12, sent.length)).toEqual(sent);
  });
});

describe('a driver that truncates its memory', () => {
  /** Memory in a file, which unlike a sealed memfd can shrink. */
  class FileMemory implements Disposable {
    readonly #directory = mkdtempSync(join(tmpdir(), 'vio-test-guest-'));
    readonly fd = openSync(join(this.#directory, 'memory'), 'w+');
    readonly mapping: SharedMemory;

    constructor() {
      ftruncateSync(this.fd, Guest.bytes(4));
      this.mapping = SharedMemory.map(this.fd, { size: Guest.bytes(4) });
    }

    [Symbol.dispose](): void {
      closeSync(this.fd);
      rmSync(this.#directory, { recursive: true });
    }
  }

  it.each([0, 1])('below its rings breaks them all, found on ring %d', async (ring) => {
    using memory = new FileMemory();
    await using pair = await Pair.start('split', { memory });
    ftruncateSync(memory.fd, 0);
    for (let i = 0; i < 64; i++) pair.burst(ring);
    expect(pair.backend.broken.map(({ queue, fault }) => [queue, fault.code])).toEqual([
      [0, 'MEMORY_FAULTED'],
      [1, 'MEMORY_FAULTED'],
      [2, 'MEMORY_FAULTED'],
      [3, 'MEMORY_FAULTED'],
    ]);
  });

  it('below a buffer is found within 64 bursts', async () => {
    using memory = new FileMemory();
    await using pair = await Pair.start('split', { memory });
    const driver = pair.guest.rings[3];
    sendFrom(driver, packet(60));
    const { descriptors } = driver.addresses;
    driver.setDescriptor(0, driver.memory.base + 0x4_0000, 72, 0);
    ftruncateSync(memory.fd, 3 * (Guest.bytes(4) / 4) + descriptors.offset + 0x1000);
    for (let i = 0; i < 64; i++) pair.burst(3);
    expect(pair.backend.broken[0].fault.code).toBe('MEMORY_FAULTED');
  });

  it('does not disturb another one', async () => {
    using memory = new FileMemory();
    await using pair = await Pair.start('split', { memory });
    const bad = pair.backend.device;
    using guest = new Guest();
    await guest.start(await pair.backend.connect());
    ftruncateSync(memory.fd, 0);
    for (let i = 0; i < 64; i++) bad.dequeueBurst(1, packetPool(), new PacketBurst());
    sendFrom(guest.rings[1], packet(60));
    expect(pair.burst(1)).toBe(1);
  });

  it('may share other memory and go on', async () => {
    using memory = new FileMemory();
    await using pair = await Pair.start('split', { memory });
    ftruncateSync(memory.fd, 0);
    for (let i = 0; i < 64; i++) pair.burst(1);
    using guest = new Guest({ rings: 4 });
    await guest.start(await pair.backend.connect());
    sendFrom(guest.rings[1], packet(60));
    expect(pair.burst(1)).toBe(1);
  });
});
