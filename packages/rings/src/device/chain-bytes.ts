import type { MemoryMap } from '../memory/memory-map.ts';
import type { ChainBurst } from './chain-burst.ts';

/**
 * Chains as devices that are not about packets see them: bytes to read, and room to write to, whatever segments the driver
 * has cut them into (virtio 1.4, section 2.6.4). Positions count from the first byte of that direction.
 */
export class ChainBytes {
  readonly #memory: MemoryMap;

  /** @param memory the driver's, as the queue has it that the chains come from */
  constructor(memory: MemoryMap) {
    this.#memory = memory;
  }

  /** Copies bytes that the driver wrote, from position `at` on. @returns how many: fewer where the chain ends */
  read(chains: ChainBurst, chain: number, at: number, target: Uint8Array): number {
    let done = 0;
    for (const part of this.readable(chains, chain, at, target.length)) {
      target.set(part, done);
      done += part.length;
    }
    return done;
  }

  /** Writes bytes for the driver, from position `at` on. @returns how many: fewer where the chain ends */
  write(chains: ChainBurst, chain: number, at: number, source: Uint8Array): number {
    let done = 0;
    for (const part of this.writable(chains, chain, at, source.length)) {
      part.set(source.subarray(done, done + part.length));
      done += part.length;
    }
    return done;
  }

  /** Views of up to `bytes` bytes that the driver wrote, for `writev` and the like. The driver may change them at any time. */
  readable(chains: ChainBurst, chain: number, at: number, bytes: number): Uint8Array[] {
    const first = chains.firstSegment[chain];
    return this.#views(chains, first, first + chains.readable[chain], at, bytes);
  }

  /** Views of up to `bytes` bytes of room, for `readv` and the like. */
  writable(chains: ChainBurst, chain: number, at: number, bytes: number): Uint8Array[] {
    const first = chains.firstSegment[chain] + chains.readable[chain];
    return this.#views(chains, first, chains.firstSegment[chain + 1], at, bytes);
  }

  #views(chains: ChainBurst, from: number, to: number, at: number, bytes: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    let skip = at;
    let left = bytes;
    for (let segment = from; segment < to && left > 0; segment++) {
      const length = chains.length[segment];
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const { u8 } = this.#memory.windows[chains.window[segment]].region;
      const start = chains.offset[segment] + skip;
      const count = Math.min(length - skip, left);
      views.push(u8.subarray(start, start + count));
      skip = 0;
      left -= count;
    }
    return views;
  }
}
