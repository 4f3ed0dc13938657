import { type CopyEngine, copyOpWords, nativeCopyEngine } from '@vio/native';
import type { Region } from '@vio/rings';
import type { DriverMemory } from './driver-memory.ts';

/** Copies per run: every segment of a burst of chains, and every buffer a packet is spread over. */
export const copiesPerRun = 4096;

/** Collects the copies of a burst between the driver's memory and local buffers, and runs them in one call. */
export class BurstCopier {
  readonly #engine: CopyEngine;
  readonly #ops: Int32Array;
  readonly #window: Int32Array;
  readonly #lead: Int32Array;
  readonly #local = new Map<ArrayBufferLike, number>();
  #lastLocal: ArrayBufferLike | null = null;
  #lastHandle = -1;
  #count = 0;

  constructor(memory: DriverMemory, engine: CopyEngine = nativeCopyEngine(copiesPerRun)) {
    this.#engine = engine;
    this.#ops = engine.ops;
    this.#window = Int32Array.from(memory.mappings, (mapping) => engine.register(mapping.buffer));
    this.#lead = memory.lead;
  }

  /** The handle of local packet memory; a region that is used again and again costs one comparison. */
  localHandle(region: Region): number {
    const { buffer } = region.u8;
    if (buffer === this.#lastLocal) return this.#lastHandle;
    let handle = this.#local.get(buffer);
    if (handle === undefined) {
      if (!(buffer instanceof ArrayBuffer)) throw new TypeError('packet memory must be an ArrayBuffer');
      handle = this.#engine.register(buffer);
      this.#local.set(buffer, handle);
    }
    this.#lastLocal = buffer;
    this.#lastHandle = handle;
    return handle;
  }

  /** Notes a copy from the driver's memory to local memory. */
  fromDriver(window: number, offset: number, local: number, to: number, bytes: number): void {
    const ops = this.#ops;
    const at = this.#count++ * copyOpWords;
    ops[at] = this.#window[window];
    ops[at + 1] = offset + this.#lead[window];
    ops[at + 2] = local;
    ops[at + 3] = to;
    ops[at + 4] = bytes;
  }

  /** Notes a copy from local memory to the driver's. */
  toDriver(local: number, from: number, window: number, offset: number, bytes: number): void {
    const ops = this.#ops;
    const at = this.#count++ * copyOpWords;
    ops[at] = local;
    ops[at + 1] = from;
    ops[at + 2] = this.#window[window];
    ops[at + 3] = offset + this.#lead[window];
    ops[at + 4] = bytes;
  }

  /** Runs what was noted. */
  run(): void {
    if (this.#count === 0) return;
    const done = this.#engine.run(this.#count);
    const wanted = this.#count;
    this.#count = 0;
    // Segments were validated when they were translated: this cannot happen.
    if (done !== wanted) throw new RangeError(`copy ${done} of ${wanted} lies outside its memory`);
  }
}
