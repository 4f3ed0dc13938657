import { macBytes } from '@vio/net/internal';
import { type Edit, firstBytes } from '../engine.ts';

/** `mac`: packets go to the peer of the port they leave by, and come from that port. */
export const setAddresses: Edit = ({ addresses }, pool, burst) => {
  if (addresses === undefined) return;
  const { u8 } = pool.region;
  for (let i = 0; i < burst.count; i++) {
    if (firstBytes(pool, burst, i) < 2 * macBytes) continue;
    u8.set(addresses.peer, burst.offset[i]);
    u8.set(addresses.own, burst.offset[i] + macBytes);
  }
};
