import { type Translation, mayRead, mayWrite } from '../memory/iotlb.ts';
import type { MemoryMap } from '../memory/memory-map.ts';
import { ChainBuilder, type IndirectDirection } from './chain-builder.ts';

/** For a device behind an I/O MMU (ACCESS_PLATFORM): addresses of descriptors lead through its translation. */
export class TranslatingBuilder extends ChainBuilder {
  readonly #translation: Translation;
  /** What singles must be allowed to do: queues that have them go in one direction. */
  readonly #needed: number;

  constructor(
    memory: MemoryMap,
    limit: number,
    indirect: boolean,
    translation: Translation,
    direction: IndirectDirection,
  ) {
    super(memory, limit, indirect);
    this.#translation = translation;
    this.#needed = direction === 'flags' ? mayRead | mayWrite : direction === 'writable' ? mayWrite : mayRead;
    this.forget();
  }

  /** Translations have changed: what was found by them, or missed, is looked up again. */
  override forget(): void {
    this.bytes = 0;
    this.missed = false;
  }

  /** A kernel that looks addresses up itself does not know the translation. */
  override tablesFor(): number {
    return -1;
  }

  protected override locate(address: number, left: number, writable: boolean): number {
    const translation = this.#translation;
    const piece = translation.locate(address, left, writable);
    if (piece <= 0) return piece;
    this.foundWindow = translation.window;
    this.foundOffset = translation.offset;
    if ((translation.access & this.#needed) === this.#needed) {
      const { start } = translation;
      this.window = translation.window;
      this.low = start | 0;
      this.high = Math.floor(start / 0x1_0000_0000) | 0;
      this.bytes = translation.size;
      this.startOffset = translation.startOffset;
    }
    return piece;
  }

  protected override load(address: number, entry: Int32Array): boolean {
    const translation = this.#translation;
    const { windows } = this.memory;
    for (let done = 0; done < 16;) {
      const piece = translation.locate(address + done, 16 - done, false);
      if (piece <= 0) {
        if (piece < 0) this.missed = true;
        return false;
      }
      const { region } = windows[translation.window];
      const at = translation.offset;
      if (piece === 16 && at % 4 === 0) {
        for (let word = 0; word < 4; word++) entry[word] = region.i32[at / 4 + word];
      } else for (let i = 0; i < piece; i++) this.entryBytes[done + i] = region.u8[at + i];
      done += piece;
    }
    return true;
  }
}
