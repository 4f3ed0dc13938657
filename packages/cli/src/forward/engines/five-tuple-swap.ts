import { PacketFlow } from '@vio/net';
import { type Edit, firstBytes } from '../engine.ts';
import { exchange } from './bytes.ts';
import { swapAddresses } from './macswap.ts';

const portBytes = 2;
/** Reused for every packet. */
const flow = new PacketFlow();

/**
 * `5tswap`: exchanges source and destination of every packet: MAC, IPv4 or IPv6 address, TCP or UDP port. Checksums stay right, since a
 * sum does not depend on the order.
 */
export const swapFiveTuple: Edit = (lane, pool, burst) => {
  const { u8 } = pool.region;
  for (let i = 0; i < burst.count; i++) {
    flow.read(u8, burst.offset[i], firstBytes(pool, burst, i));
    if (flow.version !== 0) exchange(u8, flow.addressAt, flow.version === 4 ? 4 : 16);
    if (flow.portsAt !== -1) exchange(u8, flow.portsAt, portBytes);
  }
  swapAddresses(lane, pool, burst);
};
