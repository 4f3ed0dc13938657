import { PacketBurst, QueueStats } from '@vio/net';
import { BufferPool, MemoryMap, Region, type RingFormat, createDeviceQueue } from '@vio/rings';
import { DirtyLog, Iotlb, LoggedDevice } from '@vio/rings/internal';
import { Random, ScriptedDriver, freshMemory } from '@vio/rings/testing';
import { describe, expect, it } from 'vitest';
import { BurstCopier } from '../packets/burst-copier.ts';
import { DequeuePath } from '../packets/dequeue.ts';
import { EnqueuePath } from '../packets/enqueue.ts';
import { engines } from '../../test-support/singles-setup.ts';

const page = 4096;
const pages = 128;
const guestAddress = 0x1_0000_0000 - 8 * page;
const formats: readonly RingFormat[] = ['split', 'packed'];

/** How a driver's addresses lead to its memory: at once, or through an I/O MMU. */
type Addresses = 'guest-physical' | 'behind an I/O MMU' | 'behind an I/O MMU, in single pages';
/** Where a driver behind an I/O MMU sees its memory: pages that the log has bits for as well, and nobody writes. */
const iova = guestAddress - pages * page;
/** Pages with the ring, which is in one piece. */
const ringPages = 8;

/** An I/O MMU of which parts are forgotten now and then, and come when they are asked for. */
class Translations {
  readonly iotlb: Iotlb;
  readonly #user: readonly number[];
  readonly #whole: boolean;
  readonly #asked = new Set<number>();

  /** @param single every page behind the ring lies somewhere else */
  constructor(memory: MemoryMap, single: boolean, random: Random) {
    this.#whole = !single;
    const places = Array.from({ length: pages }, (_, i) => i);
    if (single)
      for (let i = ringPages; i < pages; i++) {
        const k = i + random.below(pages - i);
        [places[i], places[k]] = [places[k], places[i]];
      }
    this.#user = places.map((at) => memory.windows[0].userAddress + at * page);
    this.iotlb = new Iotlb((at) => {
      this.#asked.add((at - iova) / page);
      return true;
    });
    this.iotlb.setMemory(memory);
    this.#give(0);
    for (let i = ringPages; i < pages; i++) this.#give(i);
  }

  /** Something is not known any more. */
  forget(random: Random): void {
    const from = iova + (ringPages + random.below(pages - ringPages)) * page;
    this.iotlb.remove(from, from + page * (1 + random.below(4)));
  }

  /** What was asked for comes. */
  answer(): void {
    for (const at of this.#asked) this.#give(at);
    this.#asked.clear();
  }

  #give(at: number): void {
    const user = this.#user[at];
    const from = iova + at * page;
    if (at < ringPages) this.iotlb.insert(iova, iova + ringPages * page, this.#user[0], 3);
    else if (this.#whole)
      this.iotlb.insert(iova + ringPages * page, iova + pages * page, this.#user[ringPages], 3);
    else this.iotlb.insert(from, from + page, user, 3);
  }
}

/** A data path whose ring takes several pages, with a log of what it writes. */
class Moved {
  readonly #translations: Translations | undefined;
  readonly #memory = freshMemory({ guestAddress, size: pages * page });
  readonly #log = new Region(new ArrayBuffer((guestAddress / page + pages) / 8));
  readonly #driver: ScriptedDriver;
  readonly #path: EnqueuePath | DequeuePath;
  readonly #pool = new BufferPool({
    region: new Region(new ArrayBuffer(2 ** 19)),
    offset: 0,
    count: 128,
    dataRoom: 2048,
  });
  readonly #random: Random;
  /** The memory as it was, and as it is: page by page without a view of each. */
  readonly #before = Buffer.alloc(pages * page);
  readonly #now: Buffer;
  beyond = 0;

  constructor(
    engine: (typeof engines)[number][1],
    format: RingFormat,
    receives: boolean,
    mergeable: boolean,
    addressing: Addresses,
    random: Random,
  ) {
    this.#random = random;
    const memory = this.#memory;
    const { u8 } = memory.windows[0].region;
    this.#now = Buffer.from(u8.buffer, u8.byteOffset, u8.byteLength);
    const features = {
      format,
      inOrder: receives && random.chance(0.5),
      indirect: true,
      eventIdx: random.chance(0.5),
    };
    const translates = addressing !== 'guest-physical';
    this.#translations = translates
      ? new Translations(memory, addressing.endsWith('pages'), random)
      : undefined;
    // It has the same memory, at other addresses; of a buffer it only says where it is.
    const seen = translates ? new MemoryMap([{ ...memory.windows[0], guestAddress: iova }]) : memory;
    this.#driver = new ScriptedDriver({ memory: seen, size: 512, features });
    const log = new DirtyLog(this.#log, () => this.beyond++);
    const { device, addresses } = this.#driver;
    const translation = this.#translations?.iotlb;
    const bare = createDeviceQueue({
      ...device,
      memory,
      ...(translation === undefined ? {} : { translation }),
    });
    const queue = new LoggedDevice(bare, { log, memory, addresses });
    const copier = new BurstCopier(memory, engine());
    this.#path = receives
      ? new EnqueuePath(queue, copier, memory, 12, mergeable, new QueueStats())
      : new DequeuePath(queue, copier, 12, new QueueStats());
  }

  /** Moves a burst. @returns pages that were written and not marked, or marked and no memory, and how many packets there were */
  step(): { missed: number[]; moved: number } {
    this.#supply();
    this.#log.u8.fill(0);
    const now = this.#now;
    const before = this.#before;
    now.copy(before);
    if (this.#random.chance(0.3)) this.#translations?.forget(this.#random);
    const moved = this.#move();
    this.#translations?.answer();
    this.#path.queue.translationsChanged();
    const kick = this.#random.below(3);
    if (kick === 0) this.#path.queue.armKick();
    if (kick === 1) this.#path.queue.disarmKick();
    const written: number[] = [];
    for (let at = 0; at < pages * page; at += page) {
      const end = at + page;
      if (now.compare(before, at, end, at, end) !== 0) written.push(at / page);
    }
    this.#driver.used();
    const missed = written.filter((i) => !this.#isMarked(guestAddress / page + i));
    for (let at = iova / page; at < guestAddress / page; at++)
      if (this.#isMarked(at)) missed.push(at - guestAddress / page);
    return { missed, moved };
  }

  #isMarked(at: number): boolean {
    return ((this.#log.u8[at >> 3] >> (at & 7)) & 1) === 1;
  }

  #supply(): void {
    const random = this.#random;
    const driver = this.#driver;
    const writable = this.#path instanceof EnqueuePath;
    const chains = Array.from({ length: random.below(40) }, () =>
      Array.from({ length: random.chance(0.7) ? 1 : 1 + random.below(4) }, () => {
        const length = 13 + random.below(random.chance(0.8) ? 1600 : 5000);
        return { address: driver.memory.alloc(length), length, writable };
      }),
    );
    let room = driver.free;
    driver.expose(...chains.filter((chain) => (room -= chain.length) >= 0));
  }

  #move(): number {
    const burst = new PacketBurst(64);
    const pool = this.#pool;
    const random = this.#random;
    const path = this.#path;
    let moved: number;
    if (path instanceof DequeuePath) moved = path.run(pool, burst, 1 + random.below(64));
    else {
      burst.pool = pool;
      pool.allocBurst(burst, 1 + random.below(40), 0);
      for (let i = 0; i < burst.count; i++) {
        burst.length[i] = 1 + random.below(random.chance(0.5) ? 100 : 2000);
        pool.region.u8.fill(random.below(256), burst.offset[i], burst.offset[i] + burst.length[i]);
      }
      moved = path.run(pool, burst, 0, burst.count);
    }
    burst.release();
    return moved;
  }
}

const addressings: readonly Addresses[] = [
  'guest-physical',
  'behind an I/O MMU',
  'behind an I/O MMU, in single pages',
];
const cases = formats.flatMap((format) => addressings.map((addressing) => [format, addressing] as const));

describe.each(engines)('%s', (_, engine) => {
  describe.each(cases)('%s, %s', (format, addressing) => {
    it.each([
      ['packets to the driver', true, false],
      ['packets over several buffers of the driver', true, true],
      ['packets of the driver', false, false],
    ] as const)(
      '%s: every byte that is written lies in a page that is marked, at its guest-physical address',
      (__, receives, mergeable) => {
        let moved = 0;
        for (let seed = 1; seed <= 4; seed++) {
          const one = new Moved(engine, format, receives, mergeable, addressing, new Random(seed));
          for (let i = 0; i < 60; i++) {
            const step = one.step();
            expect(step.missed, `seed ${seed}, step ${i}`).toEqual([]);
            moved += step.moved;
          }
          expect(one.beyond).toBe(0);
        }
        expect(moved).toBeGreaterThan(1000);
      },
    );
  });
});
