import { SharedMemory, VioError, type WaitOptions } from '@vio/native';
import { type BufferPool, maxRegionSize } from '@vio/rings';
import type { SharedRegion, VhostTransport } from '@vio/vhost';
import type { MemoryPlan } from './memory-plan.ts';

/** What a port's memory is made of. */
export interface MemoryOptions {
  /** Pages of 2 MiB or 1 GiB, which must have been reserved. Default: pages of 4 KiB, which need no preparation. */
  readonly hugepages?: '2M' | '1G';
  /** Keep all of it in memory (mlock). Default false. */
  readonly lock?: boolean;
  /** Buffers the pool may grow to by `port.growPool`; room for them is kept, memory is not. Default: it does not grow. */
  readonly maxBuffers?: number;
}

/** Regions begin on a boundary that suits their pages, in bytes. */
const regionAlignment = { none: 2 ** 21, '2M': 2 ** 21, '1G': 2 ** 30 } as const;

/**
 * The one memory of a port: one file, mapped once, as large as it may ever get. What the backend may access is its
 * beginning; the rest has no pages yet, and joins region by region.
 */
export class PortMemory implements Disposable {
  readonly shared: SharedMemory;
  readonly #plan: MemoryPlan;
  /** Bytes that regions begin at multiples of. */
  readonly #page: number;
  /** Bytes the backend knows of. */
  #announced: number;
  /** The buffer that joins the pool next. */
  #next: number;
  #growing: Promise<unknown> = Promise.resolve();

  private constructor(shared: SharedMemory, plan: MemoryPlan, page: number) {
    this.shared = shared;
    this.#plan = plan;
    this.#page = page;
    this.#next = plan.poolBuffers;
    this.#announced = plan.bytes === plan.startBytes ? shared.size : aligned(plan.startBytes, page);
  }

  /** @throws VioError VIO_MEMORY_RANGE, VIO_HUGEPAGES, VIO_MEMORY_LOCK */
  static create(plan: MemoryPlan, { hugepages, lock = false }: MemoryOptions): PortMemory {
    const grows = plan.bytes > plan.startBytes;
    const page = regionAlignment[hugepages ?? 'none'];
    const bytes = grows ? aligned(plan.bytes, page) : plan.bytes;
    if (bytes > maxRegionSize) {
      throw new VioError(`a port with so many rings and buffers takes ${bytes} bytes of memory`, {
        code: 'VIO_MEMORY_RANGE',
        remedy: `choose fewer queues, a smaller queue_size or fewer buffers: ${maxRegionSize} bytes are possible`,
      });
    }
    const pages = hugepages === undefined ? {} : { hugepages };
    const shared = SharedMemory.create({
      size: bytes,
      name: 'vio-virtio-user',
      populate: !grows,
      lock,
      ...pages,
    });
    const memory = new PortMemory(shared, plan, page);
    // Its pages are there before the first packet, those of the rest when they are needed.
    if (grows) new Uint8Array(shared.buffer, 0, memory.#announced).fill(0);
    return memory;
  }

  /** What a backend is told when it starts. */
  get table(): SharedRegion[] {
    const region = { guestAddress: 0, userAddress: 0, size: this.#announced, mmapOffset: 0 };
    return [{ ...region, fd: this.shared.fd }];
  }

  /**
   * Shares more memory with the backend, and adds buffers in it to the pool: at least `buffers`, as far as there is room.
   * One after the other.
   * @returns how many were added
   * @throws VioError VIO_POOL_FULL, VIO_VHOST_UNSUPPORTED, VIO_VHOST_REFUSED, and what ends a connection
   */
  grow(pool: BufferPool, buffers: number, transport: VhostTransport, wait: WaitOptions): Promise<number> {
    const grown = this.#growing.then(() => this.#grow(pool, buffers, transport, wait));
    this.#growing = grown.catch(() => {});
    return grown;
  }

  async #grow(
    pool: BufferPool,
    buffers: number,
    transport: VhostTransport,
    wait: WaitOptions,
  ): Promise<number> {
    const { poolOffset } = this.#plan;
    const { stride, capacity } = pool;
    const wholly = (bytes: number): number => Math.min(Math.floor((bytes - poolOffset) / stride), capacity);
    // First those at the end of what is shared already.
    const ready = wholly(this.#announced);
    // No buffer lies in two regions: one is left out.
    const first = Math.max(this.#next, Math.ceil((this.#announced - poolOffset) / stride));
    const more = buffers - (ready - this.#next);
    if (ready === this.#next && first >= capacity) throw poolFull(pool);
    if (more > 0 && first < capacity)
      await this.#share(poolOffset + (first + more) * stride, transport, wait);
    const end = wholly(this.#announced);
    const added = this.#add(pool, this.#next, Math.min(ready, this.#next + buffers));
    return added + (end > first ? this.#add(pool, first, end) : 0);
  }

  #add(pool: BufferPool, first: number, end: number): number {
    if (end <= first) return 0;
    pool.grow(first, end - first);
    this.#next = end;
    return end - first;
  }

  /** Shares whole pages up to `bytes` with the backend. */
  async #share(bytes: number, transport: VhostTransport, wait: WaitOptions): Promise<void> {
    if (transport.addRegion === undefined || transport.canAddRegions !== true) throw fixedMemory();
    const start = this.#announced;
    const end = Math.min(aligned(bytes, this.#page), this.shared.size);
    new Uint8Array(this.shared.buffer, start, end - start).fill(0);
    const region = { guestAddress: start, userAddress: start, size: end - start, mmapOffset: start };
    await transport.addRegion({ ...region, fd: this.shared.fd }, wait);
    this.#announced = end;
  }

  [Symbol.dispose](): void {
    this.shared.close();
  }
}

function aligned(bytes: number, page: number): number {
  return Math.ceil(bytes / page) * page;
}

function poolFull(pool: BufferPool): VioError {
  return new VioError(`the pool has ${pool.count} buffers, and there is no room for more`, {
    code: 'VIO_POOL_FULL',
    remedy: 'open the port with a larger memory.maxBuffers',
  });
}

function fixedMemory(): VioError {
  return new VioError('the backend takes no more memory than it was started with', {
    code: 'VIO_VHOST_UNSUPPORTED',
    remedy:
      'use a vhost-user backend that offers CONFIGURE_MEM_SLOTS, or open the port with all the buffers it needs',
  });
}
