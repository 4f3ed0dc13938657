// Copies beside the thread for a driver behind an I/O MMU: a translation is taken back while packets are in flight.
import { PacketBurst } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { type RingFormat, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { IommuPair } from '../../test-support/iommu-pair.ts';
import { headerBytes, packet, packetPool, packetsOf, sendFrom, supply } from '../../test-support/packets.ts';
import { StubEngine } from '../../testing/stub-engine.ts';
import { CopyThread } from './copy-thread.ts';
import type { DmaEngine } from './dma-engine.ts';
import { dmaConfigure, dmaUnconfigure } from './dma-configure.ts';

const page = 4096;
const formats: readonly RingFormat[] = ['split', 'packed'];
const never = (): StubEngine => new StubEngine({ looks: Infinity });
const cases = formats.flatMap((format) =>
  (
    [
      ['an engine that completes nothing', never],
      ['a copy thread', () => CopyThread.create()],
    ] as const
  ).map(([name, make]) => [format, name, make] as const),
);

/** A driver behind an I/O MMU whose first pair copies by an engine. */
class Setup implements AsyncDisposable {
  readonly iommu: IommuPair;
  readonly engine: DmaEngine;
  readonly pool = packetPool(64);
  readonly burst = new PacketBurst(64);

  private constructor(iommu: IommuPair, engine: DmaEngine) {
    this.iommu = iommu;
    this.engine = engine;
  }

  static async start(format: RingFormat, engine: DmaEngine): Promise<Setup> {
    const features = VIRTIO_F_VERSION_1 | (format === 'packed' ? VIRTIO_F_RING_PACKED : 0n);
    const flags = { asyncCopy: true, lock: false };
    const iommu = await IommuPair.start({ features, size: 16, ring: { format }, flags });
    await until(() => iommu.pair.device.running);
    dmaConfigure(engine);
    for (const queue of [0, 1]) iommu.pair.device.asyncChannelRegister(queue, { engine, inOrder: true });
    return new Setup(iommu, engine);
  }

  get device() {
    return this.iommu.pair.device;
  }

  /** Submits packets to the driver until all of them are in flight: their buffers wait for translations. */
  async submit(...packets: Uint8Array[]): Promise<void> {
    const burst = packetsOf(this.pool, ...packets);
    let submitted = 0;
    await until(() => (submitted += this.device.submitEnqueueBurst(0, burst, submitted)) === packets.length);
  }

  /** Takes what the driver has sent, until so many packets are in flight. */
  async fetch(count: number): Promise<void> {
    await until(() => {
      this.device.tryDequeueBurst(1, this.pool, this.burst);
      return this.burst.count + this.device.asyncGetInflight(1) >= count;
    });
  }

  /** What comes back of a ring, whatever has become of it. */
  cleared(queue: number): Uint8Array[] {
    this.device.clearQueue(queue, this.burst);
    const packets = readFrames(this.burst);
    this.burst.release();
    return packets;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.iommu[Symbol.asyncDispose]();
    for (const queue of [0, 1]) {
      while (this.device.clearQueue(queue, this.burst) > 0) this.burst.release();
      this.device.asyncChannelUnregister(queue);
    }
    dmaUnconfigure(this.engine);
  }
}

describe.each(cases)('%s, %s: a translation that is taken back', (format, _name, make) => {
  it('of a buffer that is copied to: all bytes are there before that is acknowledged, and none comes after', async () => {
    await using setup = await Setup.start(format, make());
    const { iommu } = setup;
    const [rx] = iommu.guest.rings;
    rx.memory.alloc(page); // not the ring's page
    const places = [supply(rx, 2048), supply(rx, 2048)];
    await setup.submit(packet(1500, 1), packet(900, 2));
    const far = places[0] - (places[0] % page);
    await iommu.unmap(far, 2 * page);
    expect(rx.used().map(({ length }) => length)).toEqual([headerBytes + 1500, headerBytes + 900]);
    expect([...rx.memory.read(places[0] + headerBytes, 1500)]).toEqual([...packet(1500, 1)]);
    expect([...rx.memory.read(places[1] + headerBytes, 900)]).toEqual([...packet(900, 2)]);
    // The driver uses its page for something else.
    const mine = new Uint8Array(2048).fill(0x5a);
    for (const [k, byte] of mine.entries()) rx.memory.setU8(places[0] + k, byte);
    expect(setup.cleared(0).map(({ length }) => length)).toEqual([1500, 900]);
    expect([...rx.memory.read(places[0], 2048)]).toEqual([...mine]);
    expect([setup.cleared(0), setup.pool.free, iommu.pair.backend.broken]).toEqual([[], 64, []]);
  });

  it('of a buffer that is copied from: the packet is what it was when that was acknowledged', async () => {
    await using setup = await Setup.start(format, make());
    const { iommu } = setup;
    const [, tx] = iommu.guest.rings;
    tx.memory.alloc(page); // not the ring's page
    sendFrom(tx, packet(1500, 3));
    await setup.fetch(1);
    const early = readFrames(setup.burst);
    setup.burst.release();
    const base = iommu.base(1);
    const pieces = [...iommu.pages.keys()].filter((at) => at >= base + 0x1000 && at < base + 0x8_0000);
    await iommu.unmap(pieces[0], pieces.length * page);
    for (let k = 0; k < 0x1_0000; k++) tx.memory.setU8(base + 0x1000 + k, 0xee);
    expect([...early, ...setup.cleared(1)].map((bytes) => [...bytes])).toEqual([[...packet(1500, 3)]]);
    expect([setup.cleared(1), setup.pool.free]).toEqual([[], 64]);
  });

  it('of the ring itself: it stops with its chains given back, and goes on when it is translated again', async () => {
    await using setup = await Setup.start(format, make());
    const { iommu, device } = setup;
    const [rx] = iommu.guest.rings;
    const first = supply(rx, 2048);
    await setup.submit(packet(100, 1));
    const base = iommu.base(0);
    const place = iommu.pages.get(base)?.user ?? 0;
    await iommu.unmap(base);
    expect(rx.used().map(({ length }) => length)).toEqual([headerBytes + 100]);
    expect([...rx.memory.read(first + headerBytes, 100)]).toEqual([...packet(100, 1)]);
    expect(device.submitEnqueueBurst(0, packetsOf(packetPool(), packet(60)))).toBe(0);
    expect(setup.cleared(0).map(({ length }) => length)).toEqual([100]);
    iommu.map(base, page, place);
    await iommu.settled();
    const second = supply(rx, 2048);
    await setup.submit(packet(200, 2));
    expect(setup.cleared(0).map(({ length }) => length)).toEqual([200]);
    expect([...rx.memory.read(second + headerBytes, 200)]).toEqual([...packet(200, 2)]);
    expect([setup.pool.free, iommu.pair.backend.broken]).toEqual([64, []]);
  });
});
