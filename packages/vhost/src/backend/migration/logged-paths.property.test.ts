import { PacketBurst, QueueStats } from '@vio/net';
import { BufferPool, Region, type RingFormat, createDeviceQueue } from '@vio/rings';
import { DirtyLog, LoggedDevice } from '@vio/rings/internal';
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

/** A data path whose ring takes several pages, with a log of what it writes. */
class Moved {
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
  beyond = 0;

  constructor(
    engine: (typeof engines)[number][1],
    format: RingFormat,
    receives: boolean,
    mergeable: boolean,
    random: Random,
  ) {
    this.#random = random;
    const memory = this.#memory;
    const features = {
      format,
      inOrder: receives && random.chance(0.5),
      indirect: true,
      eventIdx: random.chance(0.5),
    };
    this.#driver = new ScriptedDriver({ memory, size: 512, features });
    const log = new DirtyLog(this.#log, () => this.beyond++);
    const { device, addresses } = this.#driver;
    const queue = new LoggedDevice(createDeviceQueue(device), { log, memory, addresses });
    const copier = new BurstCopier(memory, engine());
    this.#path = receives
      ? new EnqueuePath(queue, copier, memory, 12, mergeable, new QueueStats())
      : new DequeuePath(queue, copier, 12, new QueueStats());
  }

  /** Moves a burst. @returns pages that were written and not marked, and how many packets there were */
  step(): { missed: number[]; moved: number } {
    this.#supply();
    this.#log.u8.fill(0);
    const { u8 } = this.#memory.windows[0].region;
    const before = u8.slice();
    const moved = this.#move();
    const kick = this.#random.below(3);
    if (kick === 0) this.#path.queue.armKick();
    if (kick === 1) this.#path.queue.disarmKick();
    const written = Array.from({ length: pages }, (_, i) => i).filter((i) => {
      const part = (bytes: Uint8Array): Uint8Array => bytes.subarray(i * page, (i + 1) * page);
      return Buffer.compare(part(u8), part(before)) !== 0;
    });
    this.#driver.used();
    return { missed: written.filter((i) => !this.#isMarked(guestAddress / page + i)), moved };
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

describe.each(engines)('%s', (_, engine) => {
  describe.each(formats)('%s', (format) => {
    it.each([
      ['packets to the driver', true, false],
      ['packets over several buffers of the driver', true, true],
      ['packets of the driver', false, false],
    ] as const)('%s: every byte that is written lies in a page that is marked', (__, receives, mergeable) => {
      let moved = 0;
      for (let seed = 1; seed <= 4; seed++) {
        const one = new Moved(engine, format, receives, mergeable, new Random(seed));
        for (let i = 0; i < 60; i++) {
          const step = one.step();
          expect(step.missed, `seed ${seed}, step ${i}`).toEqual([]);
          moved += step.moved;
        }
        expect(one.beyond).toBe(0);
      }
      expect(moved).toBeGreaterThan(1000);
    });
  });
});
