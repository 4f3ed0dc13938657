import type { Region } from './region.ts';

/** Bytes of guest memory that a bit stands for, whatever pages the guest has. */
const pageBytes = 4096;

/**
 * The log of what was written to a guest's memory while it is moved elsewhere: a bit for each page, from guest address 0 on,
 * in memory that whoever moves the guest reads and clears at the same time (vhost-user, "Migration").
 *
 * What is written is written before it is marked, and marking is an atomic OR: a bit that is cleared before is set again, one
 * that is cleared after takes the page along as it is then.
 */
export class DirtyLog {
  /** The bits, eight pages in a byte, the lowest bit first. */
  readonly region: Region;
  /** Called when a burst has marked something; undefined: nobody wants to know. */
  onMarked: (() => void) | undefined = undefined;
  readonly #pages: number;
  readonly #u8: Uint8Array;
  readonly #onBeyond: () => void;
  #beyond = false;

  /** @param onBeyond called once, when something was written that there is no bit for */
  constructor(region: Region, onBeyond: () => void) {
    this.region = region;
    this.#u8 = region.u8;
    this.#pages = 8 * region.size;
    this.#onBeyond = onBeyond;
  }

  /** Marks the pages of `bytes` bytes from a guest address on, those that the log has. */
  mark(address: number, bytes: number): void {
    if (bytes <= 0) return;
    const last = Math.floor((address + bytes - 1) / pageBytes);
    const most = this.#pages - 1;
    const end = last < most ? last : most;
    const u8 = this.#u8;
    for (let page = Math.floor(address / pageBytes); page <= end; page++)
      Atomics.or(u8, Math.floor(page / 8), 1 << (page & 7));
    if (last > most) this.beyond();
  }

  /** Something was written that the log has no bit for. */
  beyond(): void {
    if (this.#beyond) return;
    this.#beyond = true;
    this.#onBeyond();
  }
}
