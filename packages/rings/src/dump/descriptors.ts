import {
  DESC_F_AVAIL,
  DESC_F_INDIRECT,
  DESC_F_NEXT,
  DESC_F_USED,
  DESC_F_WRITE,
  descriptorBytes,
} from '../layout/descriptor.ts';
import type { DescriptorDump } from './ring-dump.ts';
import type { RingMemory, RingView } from './ring-view.ts';

const flagNames: readonly [number, string][] = [
  [DESC_F_NEXT, 'NEXT'],
  [DESC_F_WRITE, 'WRITE'],
  [DESC_F_INDIRECT, 'INDIRECT'],
  [DESC_F_AVAIL, 'AVAIL'],
  [DESC_F_USED, 'USED'],
];

/** A descriptor as it is in memory. The last two halves are flags and next (split), or id and flags (packed). */
export interface RawDescriptor {
  readonly address: bigint;
  readonly length: number;
  readonly flags: number;
  /** Split: next. Packed: id. */
  readonly other: number;
}

export function readDescriptor(at: RingMemory, slot: number, packed: boolean): RawDescriptor {
  const { i32 } = at.region;
  const word = (at.offset >>> 2) + 4 * slot;
  const last = i32[word + 3];
  const [first, second] = [last & 0xffff, last >>> 16];
  return {
    address: (BigInt(i32[word + 1] >>> 0) << 32n) | BigInt(i32[word] >>> 0),
    length: i32[word + 2] >>> 0,
    flags: packed ? second : first,
    other: packed ? first : second,
  };
}

/** Descriptors of a chain that are told: whoever drives the ring can make chains that fill it, and tables as long. */
export const mostDescriptors = 64;

/** What a chain has besides those that are told. */
export function besides(count: number): { readonly more?: number } {
  return count === 0 ? {} : { more: count };
}

/** Flags and next of a descriptor of a split ring. */
export function flagsAndNext(at: RingMemory, slot: number): number {
  return at.region.i32[(at.offset >>> 2) + 4 * slot + 3];
}

export function describeDescriptor(raw: RawDescriptor, slot: number, packed: boolean): DescriptorDump {
  const flags = flagNames.filter(([bit]) => (raw.flags & bit) !== 0).map(([, name]) => name);
  return {
    slot,
    address: `0x${raw.address.toString(16)}`,
    length: raw.length,
    flags,
    ...(packed ? { id: raw.other } : (raw.flags & DESC_F_NEXT) === 0 ? {} : { next: raw.other }),
  };
}

/** The first entries of an indirect table, and how many there are besides; undefined when it is not in the memory, or no table. */
export function readIndirect(
  view: RingView,
  { address, length }: RawDescriptor,
): { readonly entries: DescriptorDump[]; readonly more: number } | undefined {
  const table = length % descriptorBytes === 0 ? view.find(address, length) : undefined;
  if (table === undefined || table.offset % 4 !== 0) return undefined;
  const packed = view.format === 'packed';
  const all = Math.min(length / descriptorBytes, view.size);
  const told = Math.min(all, mostDescriptors);
  const entries = Array.from({ length: told }, (_, slot) =>
    describeDescriptor(readDescriptor(table, slot, packed), slot, packed),
  );
  return { entries, more: all - told };
}
