import type { MemoryRegion } from '../../wire/index.ts';

/** Claims whose removal is still waited for, at most; as many as there can be regions. */
const mostOwed = 509;

/** A region of the driver's memory, and how often it was announced. */
interface Claim {
  readonly region: MemoryRegion;
  /** Which file it lies in. */
  readonly file: string;
  count: number;
  /** Somebody has removed it already. */
  leaving: boolean;
}

/**
 * Which regions were announced, and how often: QEMU adds and removes the same one once per queue pair (ADD_MEM_REG,
 * REM_MEM_REG). It goes when the last of them has removed it. Where a region that some have removed is in the way of a new
 * one it gives way at once, because the others will remove it, too, each on its turn.
 */
export class RegionClaims {
  #claims: Claim[] = [];
  /** Gave way to others, and is still to be removed by some. */
  #owed: Claim[] = [];

  /** These and no others, once each (SET_MEM_TABLE). */
  replace(regions: readonly MemoryRegion[], files: readonly string[]): void {
    this.#claims = regions.map((region, i) => ({ region, file: files[i], count: 1, leaving: false }));
    this.#owed = [];
  }

  /** Counts a region that is there already, in the same file. @returns false when there is none like it */
  again(region: MemoryRegion, file: string): boolean {
    const claim = this.#claims.find((one) => same(one.region, region) && one.file === file);
    if (claim === undefined || claim.region.mmapOffset !== region.mmapOffset) return false;
    claim.count++;
    return true;
  }

  /** The regions that are leaving and would overlap a new one. */
  givingWayTo(region: MemoryRegion): MemoryRegion[] {
    return this.#claims
      .filter((claim) => claim.leaving && overlap(claim.region, region))
      .map((claim) => claim.region);
  }

  /** A new region is there, and those that gave way to it are not. */
  add(region: MemoryRegion, file: string): void {
    const gone = this.givingWayTo(region);
    const left = (claim: Claim): boolean => gone.includes(claim.region);
    this.#owed = [...this.#owed, ...this.#claims.filter(left)].slice(-mostOwed);
    this.#claims = this.#claims.filter((claim) => !left(claim));
    this.#claims.push({ region, file, count: 1, leaving: false });
  }

  /** Counts a removal. @returns the region if that was the last claim on it, else none; undefined: it is unknown */
  remove(region: MemoryRegion): readonly MemoryRegion[] | undefined {
    const claim =
      this.#claims.find((one) => same(one.region, region)) ??
      this.#owed.find((one) => same(one.region, region));
    if (claim === undefined) return undefined;
    claim.leaving = true;
    if (--claim.count > 0) return [];
    const there = this.#claims.includes(claim);
    this.#claims = this.#claims.filter((one) => one !== claim);
    this.#owed = this.#owed.filter((one) => one !== claim);
    return there ? [claim.region] : [];
  }
}

/** REM_MEM_REG names a region by its addresses and its size. */
function same(a: MemoryRegion, b: MemoryRegion): boolean {
  return a.guestAddress === b.guestAddress && a.userAddress === b.userAddress && a.size === b.size;
}

function overlap(a: MemoryRegion, b: MemoryRegion): boolean {
  const within = (x: number, y: number): boolean => x < y + b.size && y < x + a.size;
  return within(a.guestAddress, b.guestAddress) || within(a.userAddress, b.userAddress);
}
