import { nativeCopyEngine, twinCopyEngine } from '@vio/native/internal';
import { MemoryMap, Region } from '@vio/rings';
import { BurstCopier } from '../backend/packets/burst-copier.ts';

const KiB = 1024;
const totalBytes = 64 * KiB;
const untouched = 0x5a;

/** A window of the driver's memory: where it is in the file, its bytes, and its guest address. */
export interface Place {
  readonly at: number;
  readonly size: number;
  readonly guest: number;
}

const place = (at: number, size: number, guest: number): Place => ({ at: at * KiB, size: size * KiB, guest });

/** For buffers: one crosses 4 GiB, one touches its end, one ends with the last address a number can have. */
export const buffers: readonly Place[] = [
  place(4, 16, 0x1_0000_0000 - 8 * KiB),
  place(24, 8, 0x1_0000_0000 + 8 * KiB),
  place(40, 8, 2 ** 53 - 1 - 8 * KiB),
];
/** For the ring, and for indirect tables: far away, so that no single byte makes a buffer's address one of theirs. */
export const ringPlace = place(52, 4, 0x77_0000_0000);
export const tables = place(58, 4, 0x7_7088_0000_0000);
/** By guest address, as a memory map has them. */
export const places: readonly Place[] = [...buffers, ringPlace, tables].toSorted((a, b) => a.guest - b.guest);
export const ringWindow = places.indexOf(ringPlace);

/** Bytes from the start of its window: descriptors, driver area, device area. */
export const ringParts = { descriptors: 0, driver: 2048, device: 3072 } as const;

/** The driver's memory as a backend sees it, and whether anything beside its windows was written. */
export class HostileMemory {
  readonly u8 = new Uint8Array(totalBytes).fill(untouched);
  readonly view = new DataView(this.u8.buffer);
  readonly map: MemoryMap;
  readonly copier: BurstCopier;
  readonly #beside: readonly (readonly [from: number, to: number])[];
  readonly #clean = new Uint8Array(totalBytes).fill(untouched);

  constructor(native: boolean) {
    const { buffer } = this.u8;
    const windows = places.map(({ at, size, guest }) => ({
      region: new Region(buffer, at, size),
      guestAddress: guest,
      userAddress: guest,
      size,
    }));
    this.map = new MemoryMap(windows);
    const engine = native ? nativeCopyEngine(4096) : twinCopyEngine(4096);
    this.copier = new BurstCopier(this.map, engine);
    const inFile = places.toSorted((a, b) => a.at - b.at);
    const starts = [0, ...inFile.map(({ at, size }) => at + size)];
    this.#beside = starts.map((from, i) => [from, inFile[i]?.at ?? totalBytes]);
    this.clear();
  }

  clear(): void {
    for (const { at, size } of places) this.u8.fill(0, at, at + size);
  }

  /** Where bytes beside the windows changed; undefined: nowhere. */
  damage(): string | undefined {
    for (const [from, to] of this.#beside) {
      if (Buffer.compare(this.u8.subarray(from, to), this.#clean.subarray(from, to)) !== 0) {
        return `between ${from} and ${to}`;
      }
    }
    return undefined;
  }

  /** The bytes of the ring. */
  get ring(): Uint8Array {
    return this.u8.subarray(ringPlace.at, ringPlace.at + ringPlace.size);
  }
}
