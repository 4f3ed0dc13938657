import { singlesJobWords } from '@vio/native/internal';
import type { PacketBurst, PacketOffloads } from '@vio/net';
import type { ChainBurst, DeviceQueue } from '@vio/rings';
import type { SingleBurst } from '@vio/rings/internal';
import type { PacketHolder } from '../packets/packet-holder.ts';

/** Who holds packets, whole runs of them as well. */
export interface RunHolder extends PacketHolder {
  /**
   * Packets from entry `from` of a burst on, in the first so many of the chains, one each: notes their copies, and takes them.
   * @param local what their pool is called in copies @param said what their headers say, entry by entry
   * @returns false: not now, and nothing was done; they are taken one by one
   */
  run(
    burst: PacketBurst,
    from: number,
    singles: SingleBurst,
    count: number,
    local: number,
    said?: PacketOffloads,
  ): boolean;
}

/** Chains that are fetched the fast way in one go. */
export const singlesPerRun = 64;

/** True for a ring that need not see every chain itself: one with a journal notes down what it takes by `fetch`. */
export function isSingleRing(queue: DeviceQueue): boolean {
  return queue.describe(new Int32Array(singlesJobWords));
}

/**
 * Puts chains of one descriptor each behind those of a burst, whose last ones they are then: they are held, logged, given back and
 * completed like any others.
 * @param prefix bytes that `singles` leaves out in front of each
 */
export function addSingles(chains: ChainBurst, singles: SingleBurst, prefix: number): void {
  const { count, writable } = singles;
  const { id, slots, held, firstSegment, readable, readableBytes, writableBytes } = chains;
  const { window, offset, length } = chains;
  const readableSegments = writable ? 0 : 1;
  let c = chains.count;
  let segment = firstSegment[c];
  for (let i = 0; i < count; i++) {
    const bytes = singles.length[i] + prefix;
    id[c] = singles.id[i];
    slots[c] = 1;
    held[c] = 1;
    readable[c] = readableSegments;
    readableBytes[c] = writable ? 0 : bytes;
    writableBytes[c] = writable ? bytes : 0;
    window[segment] = singles.window;
    offset[segment] = singles.offset[i] - prefix;
    length[segment] = bytes;
    firstSegment[++c] = ++segment;
  }
  chains.count = c;
  chains.descriptors += count;
  chains.full = false;
}
