import { DESC_F_AVAIL, DESC_F_NEXT, DESC_F_USED, descriptorBytes } from '../layout/descriptor.ts';
import type { MemoryMap } from '../memory/memory-map.ts';
import type { WindowOffset } from './device-queue.ts';
import { ringPart } from './ring-part.ts';

/** Where a packed ring begins that no device has used: slot 0, both wrap counters 1. */
export const freshPackedBase = 0x8000_8000;

/**
 * What a slot was last written as: made available or used, by the wrap counter of the lap it happened in. The
 * complement of a kind is the other kind of the other lap, as its two bits are inverted.
 */
const AVAIL = DESC_F_AVAIL << 16;
const USED = DESC_F_USED << 16;
const BOTH = AVAIL | USED;
const NEXT = DESC_F_NEXT << 16;

const availableIn = (wrap: number): number => (wrap === 1 ? AVAIL : USED);
const usedIn = (wrap: number): number => (wrap === 1 ? BOTH : 0);

/**
 * What a packed ring itself says about where its device goes on, for a frontend whose word may be stale: QEMU hands a
 * backend that replaces a killed one the base of the last orderly stop, and user-mode Linux says 0, wrap counters and
 * all, for a ring that never ran.
 *
 * Unlike a split ring a packed one holds no index. But every slot says in which lap it was last made available or used,
 * so most bases contradict the ring: a device cannot have before it what it used in this lap. The base that was given
 * stands unless it does that. If it does, and all slots tell of one lap that ends where the other begins, that place is
 * the base; buffers that were in flight there are seen again. Slots that a device skipped (the rest of a chain, or a
 * batch with IN_ORDER) look as if they were available still: a ring with such slots gives its place away to nobody.
 *
 * @param given both positions with their wrap counters, as `DeviceQueue.base()` has them
 * @returns the base to go on from, `given` or another one; undefined: the one that was given cannot be, and none can be found
 * @throws VioError VIO_RING_PART
 */
export function packedBaseFromRing(
  memory: MemoryMap,
  ring: WindowOffset,
  size: number,
  inOrder: boolean,
  given: number,
): number | undefined {
  const { i32 } = ringPart(memory, ring, 'descriptor ring', descriptorBytes * size, 16);
  const start = ring.offset / 4 + 3;
  const slot = (given >>> 16) & 0x7fff;
  // A base outside the ring is whoever builds the queue's to refuse.
  if (slot >= size) return given;
  for (let look = 0; look < looks; look++) {
    const flags = Int32Array.from({ length: size }, (_, at) => i32[start + 4 * at]);
    if (mayBe(flags, slot, given >>> 31, inOrder)) return given;
    // A batch that one used descriptor stands for ends nobody knows where.
    const found = inOrder && flags.some(isAvailable) ? undefined : onlyPlace(flags);
    if (found === undefined) continue;
    const both = (found.wrap << 15) | found.slot;
    return ((both << 16) | both) >>> 0;
  }
  return undefined;
}

/** A driver that is about to make a chain available writes its head last: another look finds it there. */
const looks = 8;

const isAvailable = (word: number): boolean => (word & BOTH) === AVAIL || (word & BOTH) === USED;

/**
 * Whether a device may be about to use `slot` in the lap of `wrap`: what lies from there on is left of the lap before, what
 * lies in front of it is left of this one, and the driver has made available some of it since.
 */
function mayBe(flags: Int32Array, slot: number, wrap: number, inOrder: boolean): boolean {
  const last = slot === 0 ? 0 : flags[slot - 1];
  const torn = slot > 0 && (last & BOTH) === availableIn(wrap) && (last & NEXT) !== 0;
  return (
    leftOvers(flags, slot, flags.length, wrap ^ 1, inOrder) &&
    leftOvers(flags, 0, slot, wrap, inOrder) &&
    (inOrder || !torn)
  );
}

/**
 * Whether these slots are what the lap of `wrap` left behind: used descriptors, each with the skipped rest of its chain;
 * or what the driver made available since, which may stop in the middle of such a rest.
 */
function leftOvers(flags: Int32Array, from: number, to: number, wrap: number, inOrder: boolean): boolean {
  /** Whether the rest of a chain may come, up to its slot without NEXT. */
  let within = true;
  for (let at = from; at < to; at++) {
    const bits = flags[at] & BOTH;
    if (bits === usedIn(wrap ^ 1)) return false;
    if (bits !== availableIn(wrap)) within = true;
    else if (!within && !inOrder) return false;
    else within = (flags[at] & NEXT) !== 0;
  }
  return true;
}

/** Where the laps meet, in a ring without a slot that was skipped; undefined in any other. There is one such place at most. */
function onlyPlace(flags: Int32Array): { slot: number; wrap: number } | undefined {
  const { length: size } = flags;
  const run = (from: number, bits: number): number => {
    let at = from;
    while (at < size && (flags[at] & BOTH) === bits) at++;
    return at;
  };
  for (const wrap of [1, 0]) {
    // Used in this lap, available in it, and used in the lap before.
    const slot = run(0, usedIn(wrap));
    if (slot < size && run(run(slot, availableIn(wrap)), usedIn(wrap ^ 1)) === size) return { slot, wrap };
    // Available in the next lap, used in this one, available in this one.
    const next = run(0, availableIn(wrap ^ 1));
    const done = run(next, usedIn(wrap));
    if (next > 0 && run(done, availableIn(wrap)) === size) {
      return done === size ? { slot: 0, wrap: wrap ^ 1 } : { slot: done, wrap };
    }
  }
  return undefined;
}
