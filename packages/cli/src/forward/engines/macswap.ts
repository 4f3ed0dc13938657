import type { Edit } from '../engine.ts';

/** `macswap`: exchanges destination and source MAC of every packet. */
export const swapAddresses: Edit = (_lane, pool, burst) => {
  const u16 = pool.region.u16;
  for (let i = 0; i < burst.count; i++) {
    // Data starts behind an even headroom, so a MAC is three 16-bit words.
    const at = burst.offset[i] >>> 1;
    for (let word = at; word < at + 3; word++) {
      const destination = u16[word];
      u16[word] = u16[word + 3];
      u16[word + 3] = destination;
    }
  }
};
