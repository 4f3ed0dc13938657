import {
  type ChainsKernel,
  type CopyEngine,
  type NotedRings,
  type NotesKernel,
  type SinglesKernel,
  nativeCopyEngine,
} from '@vio/native/internal';
import type { MemoryMap, Region } from '@vio/rings';
import { type SingleBurst, registerRegion } from '@vio/rings/internal';

/** Words of a copy, see `CopyEngine`; here as well, because V8 folds constants of this module only. */
const opWords = 5;
/**
 * Copies per run, more than a burst of singles has; a burst of more takes several. A device has an array of them, and there may be
 * thousands of devices.
 */
export const copiesPerRun = 128;

/** Collects the copies of a burst between the driver's memory and local buffers, and runs them in one call. */
export class BurstCopier {
  /** The driver's memory. */
  readonly map: MemoryMap;
  readonly #engine: CopyEngine;
  readonly #ops: Int32Array;
  /** What the engine calls each window; -1: nothing yet. */
  readonly #window: Int32Array;
  readonly #local: { readonly region: Region; readonly handle: number }[] = [];
  #lastRegion: Region | undefined;
  #lastHandle = -1;
  /** Copies that the engine does in one call. */
  readonly #capacity: number;
  #count = 0;

  constructor(map: MemoryMap, engine: CopyEngine = nativeCopyEngine(copiesPerRun)) {
    this.map = map;
    this.#engine = engine;
    this.#ops = engine.ops;
    this.#capacity = Math.floor(engine.ops.length / opWords);
    this.#window = new Int32Array(map.windows.length).fill(-1);
  }

  /** The handle of local packet memory; a region that is used again and again costs one comparison. */
  localHandle(region: Region): number {
    return region === this.#lastRegion ? this.#lastHandle : this.#findLocal(region);
  }

  /** Apart from `localHandle`: a call of a function with a closure allocates what that sees, whether it is made or not. */
  #findLocal(region: Region): number {
    const handle =
      this.#local.find((known) => isSame(known.region, region))?.handle ?? this.#addLocal(region);
    this.#lastRegion = region;
    this.#lastHandle = handle;
    return handle;
  }

  #addLocal(region: Region): number {
    const handle = registerRegion(this.#engine, region);
    this.#local.push({ region, handle });
    return handle;
  }

  /** Forgets local memory that nobody names any more. */
  forget(region: Region): void {
    const at = this.#local.findIndex((known) => isSame(known.region, region));
    if (at === -1) return;
    this.#engine.unregister(this.#local[at].handle);
    this.#local.splice(at, 1);
    this.#lastRegion = undefined;
  }

  /** @param counters where it counts; undefined: nowhere @returns a kernel over the same memory; undefined: there is none */
  singles(counters?: Float64Array): SinglesKernel | undefined {
    return this.#engine.singles(counters);
  }

  /** @returns a kernel that notes copies in these rings, over the same memory; undefined: there is none */
  notes(rings: NotedRings): NotesKernel | undefined {
    return this.#engine.notes(rings);
  }

  /** @returns a kernel for chains of any kind over the same memory; undefined: there is none */
  chains(): ChainsKernel | undefined {
    const { guestBase, size } = this.map;
    return this.#engine.chains({ guestBase, size, handles: this.#window });
  }

  /** Makes a window known to the engine, and so to the kernel of chains. */
  know(window: number): void {
    this.#handle(window);
  }

  /** Turns a window, at this word of a job, into what the engine calls it. */
  locate(job: Int32Array, window: number): void {
    job[window] = this.#handle(job[window]);
  }

  /** Notes a copy from the driver's memory to local memory. */
  fromDriver(window: number, offset: number, local: number, to: number, bytes: number): void {
    if (this.#count === this.#capacity) this.run();
    const ops = this.#ops;
    const at = this.#count++ * opWords;
    ops[at] = this.#handle(window);
    ops[at + 1] = offset;
    ops[at + 2] = local;
    ops[at + 3] = to;
    ops[at + 4] = bytes;
  }

  /** Notes a copy from local memory to the driver's. */
  toDriver(local: number, from: number, window: number, offset: number, bytes: number): void {
    if (this.#count === this.#capacity) this.run();
    const ops = this.#ops;
    const at = this.#count++ * opWords;
    ops[at] = local;
    ops[at + 1] = from;
    ops[at + 2] = this.#handle(window);
    ops[at + 3] = offset;
    ops[at + 4] = bytes;
  }

  /** Notes a copy of every buffer of the burst, to the offsets `to` in local memory. */
  burstFromDriver(singles: SingleBurst, local: number, to: Int32Array): void {
    const { offset, length, count } = singles;
    if (this.#count + count > this.#capacity) this.run();
    const window = this.#handle(singles.window);
    const ops = this.#ops;
    let at = this.#count * opWords;
    for (let i = 0; i < count; i++, at += opWords) {
      ops[at] = window;
      ops[at + 1] = offset[i];
      ops[at + 2] = local;
      ops[at + 3] = to[i];
      ops[at + 4] = length[i];
    }
    this.#count += count;
  }

  /** Notes a copy to every buffer of the burst, of `length` bytes from the offsets `from` in local memory. */
  burstToDriver(
    local: number,
    from: Int32Array,
    length: Int32Array,
    first: number,
    singles: SingleBurst,
  ): void {
    const { offset, count } = singles;
    if (this.#count + count > this.#capacity) this.run();
    const window = this.#handle(singles.window);
    const ops = this.#ops;
    let at = this.#count * opWords;
    for (let i = 0; i < count; i++, at += opWords) {
      ops[at] = local;
      ops[at + 1] = from[first + i];
      ops[at + 2] = window;
      ops[at + 3] = offset[i];
      ops[at + 4] = length[first + i];
    }
    this.#count += count;
  }

  /** Runs what was noted. @throws RangeError when a copy lies outside its memory, which was looked at before */
  run(): void {
    if (this.#count === 0) return;
    const done = this.#engine.run(this.#count);
    const wanted = this.#count;
    this.#count = 0;
    // Segments were validated when they were translated: this cannot happen.
    if (done !== wanted) throw new RangeError(`copy ${done} of ${wanted} lies outside its memory`);
  }

  #handle(window: number): number {
    const handle = this.#window[window];
    return handle >= 0 ? handle : this.#register(window);
  }

  #register(window: number): number {
    return (this.#window[window] = registerRegion(this.#engine, this.map.windows[window].region));
  }
}

/** True for two regions that are the same bytes. */
function isSame(one: Region, other: Region): boolean {
  return (
    one.arrayBuffer === other.arrayBuffer &&
    one.u8.byteOffset === other.u8.byteOffset &&
    one.size === other.size
  );
}
