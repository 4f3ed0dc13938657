import { VioError, type WaitOptions } from '@vio/native';
import { freeHugepages, hugepageBytes, wholePages } from '@vio/native/internal';
import type { BufferPool } from '@vio/rings';
import { maxRegionSize } from '@vio/rings/internal';
import type { MemorySlots } from '../net-device.ts';
import type { DeviceMemory, MemoryOptions, MemoryRequest } from './device-memory.ts';
import type { MemoryPlan } from './memory-plan.ts';

/**
 * The one memory of a port, mapped once, as large as it may ever get. What the device may access is its beginning; the rest
 * joins region by region.
 */
export class PortMemory implements Disposable {
  readonly memory: DeviceMemory;
  /** Its pages, where they are not the system's own. */
  readonly hugepages: MemoryRequest['hugepages'];
  readonly #plan: MemoryPlan;
  /** Bytes that regions begin at multiples of. */
  readonly #page: number;
  /** Bytes the device reaches. */
  #reach: number;
  /** The buffer that joins the pool next. */
  #next: number;
  #growing: Promise<unknown> = Promise.resolve();

  private constructor(memory: DeviceMemory, plan: MemoryPlan, hugepages: MemoryRequest['hugepages']) {
    this.memory = memory;
    this.hugepages = hugepages;
    this.#plan = plan;
    this.#page = growthStep(hugepages);
    this.#next = plan.poolBuffers;
    this.#reach = memory.ready;
  }

  /**
   * @param allocate of the device @param features that were accepted @param free how many huge pages are
   * @throws VioError VIO_MEMORY_RANGE, VIO_HUGEPAGES, VIO_MEMORY_LOCK, and those of the device
   */
  static create(
    allocate: (request: MemoryRequest) => DeviceMemory,
    plan: MemoryPlan,
    { hugepages = 'auto', lock = false }: MemoryOptions = {},
    features = 0n,
    free: typeof freeHugepages = freeHugepages,
  ): PortMemory {
    const grows = plan.bytes > plan.startBytes;
    const asked = hugepages === 'auto' || hugepages === 'none' ? undefined : hugepages;
    const page = growthStep(asked);
    const bytes = grows ? wholePages(plan.bytes, page) : plan.bytes;
    if (bytes > maxRegionSize) {
      throw new VioError(`a port with so many rings and buffers takes ${bytes} bytes of memory`, {
        code: 'VIO_MEMORY_RANGE',
        remedy: `choose fewer queues, a smaller queue_size or fewer buffers: ${maxRegionSize} bytes are possible`,
      });
    }
    const startBytes = grows ? wholePages(plan.startBytes, page) : bytes;
    const request = { bytes, startBytes, features, lock };
    if (hugepages === 'auto' && !grows && suitsHugepages(bytes, () => free('2M'))) {
      const memory = attempt(() => allocate({ ...request, hugepages: '2M' }));
      if (memory !== undefined) return new PortMemory(memory, plan, '2M');
    }
    const pages = asked === undefined ? {} : { hugepages: asked };
    return new PortMemory(allocate({ ...request, ...pages }), plan, asked);
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

/** Bytes that memory grows by multiples of: regions begin on a boundary that suits their pages. */
function growthStep(hugepages: MemoryRequest['hugepages']): number {
  return hugepageBytes[hugepages ?? '2M'];
}

/**
 * Whether a port takes pages of 2 MiB by itself. One that would not fill a single one does not: many small ports would have them all.
 * Nor does one that grows: what it may become would be taken from everybody else, whether it grows or not.
 */
function suitsHugepages(bytes: number, free: () => number): boolean {
  const page = hugepageBytes['2M'];
  const all = wholePages(bytes, page);
  return bytes >= page && all <= maxRegionSize && all / page <= free();
}

/** Others may have been quicker, a control group may forbid them, or a device not take them: then it is none of them. */
function attempt(allocate: () => DeviceMemory): DeviceMemory | undefined {
  try {
    return allocate();
  } catch (error) {
    if (VioError.is(error)) return undefined;
    throw error;
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
