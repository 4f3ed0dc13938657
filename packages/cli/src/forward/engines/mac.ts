import type { Edit } from '../engine.ts';
import { firstBytes } from '../engine.ts';

const addressBytes = 6;

/** `mac`: packets go to the peer of the port they leave by, and come from that port. */
export const setAddresses: Edit = ({ addresses }, pool, burst) => {
  if (addresses === undefined) return;
  const { u8 } = pool.region;
  for (let i = 0; i < burst.count; i++) {
    if (firstBytes(pool, burst, i) < 2 * addressBytes) continue;
    u8.set(addresses.peer, burst.offset[i]);
    u8.set(addresses.own, burst.offset[i] + addressBytes);
  }
};
