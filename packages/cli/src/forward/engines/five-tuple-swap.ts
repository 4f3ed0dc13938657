import { PacketFlow } from '@vio/net';
import { type Edit, firstBytes } from '../engine.ts';
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

/** Exchanges the `bytes` bytes at `at` with those behind them. */
function exchange(u8: Uint8Array, at: number, bytes: number): void {
  for (let k = at; k < at + bytes; k++) {
    const first = u8[k];
    u8[k] = u8[k + bytes];
    u8[k + bytes] = first;
  }
}
