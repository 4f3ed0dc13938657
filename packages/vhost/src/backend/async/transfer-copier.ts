import type { MemoryMap, Region } from '@vio/rings';
import type { BurstCopier } from '../packets/burst-copier.ts';
import type { CopySink } from '../packets/packet-holder.ts';
import type { DmaChannel } from './dma-channel.ts';
import { plainHeaders } from './plain-headers.ts';

/** Notes the copies of packets for an engine. Those that it has no room for this thread does. */
export class TransferCopier implements CopySink {
  readonly #map: MemoryMap;
  readonly #copier: BurstCopier;
  readonly #dma: DmaChannel;
  /** What the engine calls each window; -1: nothing yet. */
  readonly #window: Int32Array;
  readonly #local: { readonly region: Region; readonly memory: number }[] = [];
  #region: Region | undefined;
  #memory = -1;
  #headers = -1;

  constructor(map: MemoryMap, copier: BurstCopier, dma: DmaChannel) {
    this.#map = map;
    this.#copier = copier;
    this.#dma = dma;
    this.#window = new Int32Array(map.windows.length).fill(-1);
  }

  localHandle(region: Region): number {
    return region === this.#region ? this.#memory : this.#findLocal(region);
  }

  /** Apart from `localHandle`, as in `BurstCopier`: its closure would cost every call an allocation. */
  #findLocal(region: Region): number {
    const known = this.#local.find((local) => local.region === region);
    const memory = known?.memory ?? this.#dma.register(region);
    if (known === undefined) this.#local.push({ region, memory });
    this.#region = region;
    this.#memory = memory;
    return memory;
  }

  /** What the engine calls a window; -1: it will not have it. */
  windowMemory(window: number): number {
    return this.#window[window] >= 0 ? this.#window[window] : this.#register(window);
  }

  /** What the engine calls `plainHeaders`; -1: it will not have them. */
  headerMemory(): number {
    return this.#headers >= 0 ? this.#headers : (this.#headers = this.#dma.register(plainHeaders));
  }

  toDriver(local: number, from: number, window: number, offset: number, bytes: number): void {
    const memory = this.windowMemory(window);
    if (local >= 0 && memory >= 0 && this.#dma.note(local, from, memory, offset, bytes)) return;
    this.#copier.toDriver(this.#own(), from, window, offset, bytes);
  }

  fromDriver(window: number, offset: number, local: number, to: number, bytes: number): void {
    const memory = this.windowMemory(window);
    if (local >= 0 && memory >= 0 && this.#dma.note(memory, offset, local, to, bytes)) return;
    this.#copier.fromDriver(window, offset, this.#own(), to, bytes);
  }

  run(): void {
    this.#copier.run();
    this.#dma.submit();
  }

  /** The engine forgets what it knows by this one; nothing is in flight. */
  end(): void {
    for (const memory of this.#window) if (memory >= 0) this.#dma.unregister(memory);
    for (const { memory } of this.#local) if (memory >= 0) this.#dma.unregister(memory);
    if (this.#headers >= 0) this.#dma.unregister(this.#headers);
    this.#window.fill(-1);
    this.#local.length = 0;
    this.#region = undefined;
    this.#headers = -1;
  }

  #register(window: number): number {
    return (this.#window[window] = this.#dma.register(this.#map.windows[window].region));
  }

  /** The local memory of the burst, as this thread's copier calls it. */
  #own(): number {
    if (this.#region === undefined) throw new TypeError('copies begin with their local memory');
    return this.#copier.localHandle(this.#region);
  }
}
