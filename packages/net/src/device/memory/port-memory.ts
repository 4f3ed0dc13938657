import { VioError, type WaitOptions } from '@vio/native';
import { wholePages } from '@vio/native/internal';
import type { BufferPool } from '@vio/rings';
import { maxRegionSize } from '@vio/rings/internal';
import type { MemorySlots } from '../net-device.ts';
import { type DeviceMemory, type MemoryOptions, type MemoryRequest, growthStep } from './device-memory.ts';
import type { MemoryPlan } from './memory-plan.ts';

/**
 * The one memory of a port, mapped once, as large as it may ever get. What the device may access is its beginning; the rest
 * joins region by region.
 */
export class PortMemory implements Disposable {
  readonly memory: DeviceMemory;
  readonly #plan: MemoryPlan;
  /** Bytes that regions begin at multiples of. */
  readonly #page: number;
  /** Bytes the device reaches. */
  #reach: number;
  /** The buffer that joins the pool next. */
  #next: number;
  #growing: Promise<unknown> = Promise.resolve();

  private constructor(memory: DeviceMemory, plan: MemoryPlan, page: number) {
    this.memory = memory;
    this.#plan = plan;
    this.#page = page;
    this.#next = plan.poolBuffers;
    this.#reach = memory.ready;
  }

  /**
   * @param allocate of the device @param features that were accepted
   * @throws VioError VIO_MEMORY_RANGE, VIO_HUGEPAGES, VIO_MEMORY_LOCK, and those of the device
   */
  static create(
    allocate: (request: MemoryRequest) => DeviceMemory,
    plan: MemoryPlan,
    { hugepages, lock = false }: MemoryOptions = {},
    features = 0n,
  ): PortMemory {
    const grows = plan.bytes > plan.startBytes;
    const page = growthStep(hugepages);
    const bytes = grows ? wholePages(plan.bytes, page) : plan.bytes;
    if (bytes > maxRegionSize) {
      throw new VioError(`a port with so many rings and buffers takes ${bytes} bytes of memory`, {
        code: 'VIO_MEMORY_RANGE',
        remedy: `choose fewer queues, a smaller queue_size or fewer buffers: ${maxRegionSize} bytes are possible`,
      });
    }
    const startBytes = grows ? wholePages(plan.startBytes, page) : bytes;
    const pages = hugepages === undefined ? {} : { hugepages };
    return new PortMemory(allocate({ bytes, startBytes, features, lock, ...pages }), plan, page);
  }

  /** Bytes that a device which starts is told of. */
  get reach(): number {
    return this.#reach;
  }

  /**
   * Shares more memory with the device, and adds buffers in it to the pool: at least `buffers`, as far as there is room.
   * One after the other.
   * @returns how many were added
   * @throws VioError VIO_POOL_FULL, VIO_FEATURE_MISSING, VIO_VHOST_REFUSED, and what ends a connection
   */
  grow(
    pool: BufferPool,
    buffers: number,
    slots: MemorySlots | undefined,
    wait: WaitOptions,
  ): Promise<number> {
    const grown = this.#growing.then(() => this.#grow(pool, buffers, slots, wait));
    this.#growing = grown.catch(() => {});
    return grown;
  }

  async #grow(
    pool: BufferPool,
    buffers: number,
    slots: MemorySlots | undefined,
    wait: WaitOptions,
  ): Promise<number> {
    const { poolOffset } = this.#plan;
    const { stride, capacity } = pool;
    const wholly = (bytes: number): number => Math.min(Math.floor((bytes - poolOffset) / stride), capacity);
    // First those at the end of what is shared already.
    const ready = wholly(this.#reach);
    // No buffer lies in two regions: one is left out.
    const first = Math.max(this.#next, Math.ceil((this.#reach - poolOffset) / stride));
    const more = buffers - (ready - this.#next);
    if (ready === this.#next && first >= capacity) throw poolFull(pool);
    if (more > 0 && first < capacity) await this.#share(poolOffset + (first + more) * stride, slots, wait);
    const end = wholly(this.#reach);
    const added = this.#add(pool, this.#next, Math.min(ready, this.#next + buffers));
    return added + (end > first ? this.#add(pool, first, end) : 0);
  }

  #add(pool: BufferPool, first: number, end: number): number {
    if (end <= first) return 0;
    pool.grow(first, end - first);
    this.#next = end;
    return end - first;
  }

  /** Shares whole pages up to `bytes` with the device. */
  async #share(bytes: number, slots: MemorySlots | undefined, wait: WaitOptions): Promise<void> {
    if (slots === undefined) throw fixedMemory();
    const { buffer } = this.memory;
    const start = this.#reach;
    const end = Math.min(wholePages(bytes, this.#page), buffer.byteLength);
    new Uint8Array(buffer, start, end - start).fill(0);
    await slots.add(this.memory, start, end, wait);
    this.#reach = end;
  }

  [Symbol.dispose](): void {
    this.memory.close();
  }
}

function poolFull(pool: BufferPool): VioError {
  return new VioError(`the pool has ${pool.count} buffers, and there is no room for more`, {
    code: 'VIO_POOL_FULL',
    remedy: 'open the port with a larger memory.maxBuffers',
  });
}

function fixedMemory(): VioError {
  return new VioError('the device takes no more memory than it was started with', {
    code: 'VIO_FEATURE_MISSING',
    remedy:
      'use a vhost-user backend that offers CONFIGURE_MEM_SLOTS, or open the port with all the buffers it needs',
  });
}
