import type { PacketBurst, PacketOffloads } from '@vio/net';
import { singlesJobWords } from '@vio/native/internal';
import { ChainBurst, type DeviceQueue } from '@vio/rings';
import type { SingleBurst } from '@vio/rings/internal';
import { singlesPerRun } from '../packets/burst-limits.ts';
import type { PacketHolder } from '../packets/packet-holder.ts';
import type { CopyRun } from './transfers.ts';

/** Who holds packets in chains of one descriptor each, whole runs of them as well. */
export interface SinglesHolder extends PacketHolder {
  /** Where such chains are fetched to. They stay there: those of the last fetch are held by `holdSingles`, or forgotten. */
  singles(): SingleBurst;
  /** The first so many of them are held. */
  holdSingles(count: number): void;
  /**
   * Packets of one segment each, from entry `from` of a burst on, in the first of those chains, a chain for each copy: notes their
   * copies, and takes them.
   * @param local what their pool is called in copies @param run the copies; between which memories is said here
   * @param said what their headers say, entry by entry
   * @returns false: not now, and nothing was done; they are taken one by one
   */
  run(
    burst: PacketBurst,
    from: number,
    count: number,
    local: number,
    run: CopyRun,
    said?: PacketOffloads,
  ): boolean;
  /**
   * Says to a kernel where it notes copies between these memories, and how many there may be.
   * @param local what the packets' pool is called in copies @param window of the driver's memory
   * @returns false: not now
   */
  lend(job: Int32Array, local: number, window: number): boolean;
  /**
   * The kernel has noted the copies of packets of one segment each, from entry `from` of a burst on: takes them.
   * @param counts chains of each @param copies of all of them @param said what their headers say, entry by entry
   */
  noted(
    burst: PacketBurst,
    from: number,
    count: number,
    counts: Int32Array,
    copies: number,
    said?: PacketOffloads,
  ): void;
}

/** True for a ring that need not see every chain itself: one with a journal notes down what it takes by `fetch`. */
export function isSingleRing(queue: DeviceQueue): boolean {
  return queue.describe(new Int32Array(singlesJobWords));
}

const givenBack = new ChainBurst(singlesPerRun, 1);

/** Gives chains from `from` on back to their ring, unused: the next fetch sees them again. */
export function unfetchSingles(queue: DeviceQueue, { id, count }: SingleBurst, from: number): void {
  givenBack.clear();
  for (let i = from; i < count; i++) {
    const c = givenBack.count++;
    givenBack.id[c] = id[i];
    givenBack.slots[c] = 1;
  }
  queue.unfetch(givenBack, givenBack.count);
}
