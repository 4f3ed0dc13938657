import { type DeviceQueue, Region } from '@vio/rings';
import { DirtyLog, LoggedDevice, type LoggedDeviceOptions } from '@vio/rings/internal';
import { type HostileMemory, type Place, places } from './hostile-memory.ts';

const pageBytes = 4096;
/** Bytes of the log: it ends in front of the last window of buffers, and has all others. */
const logBytes = 2 ** 24;

/** Whether a log tells of every byte that is written to the memory of a hostile driver. */
export class WatchedLog {
  readonly #memory: HostileMemory;
  readonly #log: DirtyLog;
  readonly #region = new Region(new ArrayBuffer(logBytes));
  readonly #before: Uint8Array;
  #beyond = false;

  constructor(memory: HostileMemory) {
    this.#memory = memory;
    this.#before = memory.u8.slice();
    this.#log = new DirtyLog(this.#region, () => (this.#beyond = true));
  }

  /** A queue that marks there. */
  around(queue: DeviceQueue, options: Omit<LoggedDeviceOptions, 'log' | 'memory'>): LoggedDevice {
    return new LoggedDevice(queue, { ...options, log: this.#log, memory: this.#memory.map });
  }

  /** From here on. */
  begin(): void {
    this.#before.set(this.#memory.u8);
    for (const place of places) for (const page of pagesOf(place)) this.#region.u8[Math.floor(page / 8)] = 0;
  }

  /** @returns a byte that was written since and not marked; undefined: there is none */
  missed(): string | undefined {
    const { u8 } = this.#memory;
    for (const place of places) {
      for (const [i, page] of pagesOf(place).entries()) {
        const from = place.at + i * pageBytes;
        const to = Math.min(from + pageBytes, place.at + place.size);
        if (Buffer.compare(u8.subarray(from, to), this.#before.subarray(from, to)) === 0) continue;
        if (page / 8 >= logBytes ? this.#beyond : this.#isMarked(page)) continue;
        const at = u8.subarray(from, to).findIndex((byte, k) => byte !== this.#before[from + k]);
        return `the byte at 0x${(place.guest + i * pageBytes + at).toString(16)} was written, and not marked`;
      }
    }
    return undefined;
  }

  #isMarked(page: number): boolean {
    return ((this.#region.u8[Math.floor(page / 8)] >> (page % 8)) & 1) === 1;
  }
}

/** Every place begins with a page. */
function pagesOf({ guest, size }: Place): number[] {
  return Array.from({ length: Math.ceil(size / pageBytes) }, (_, i) => guest / pageBytes + i);
}
