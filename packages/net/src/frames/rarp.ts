import { typeIpv4, typeRarp } from '../packet-headers.ts';
import { macToBytes } from './mac-address.ts';

const broadcast = 0xff;
const rarpBytes = 60;

/**
 * A reverse ARP request that asks for nobody: switches learn from it where a station is now. What virtual machines and
 * their backends send after a move, and DPDK's virtio driver when it announces itself.
 * @param mac the station's
 */
export function rarpFrame(mac: string): Uint8Array {
  const frame = new Uint8Array(rarpBytes);
  const view = new DataView(frame.buffer);
  const station = macToBytes(mac);
  frame.fill(broadcast, 0, 6);
  frame.set(station, 6);
  view.setUint16(12, typeRarp);
  view.setUint16(14, 1); // Ethernet
  view.setUint16(16, typeIpv4);
  frame[18] = 6; // bytes of a hardware address
  frame[19] = 4; // bytes of a protocol address
  view.setUint16(20, 3); // request reverse
  frame.set(station, 22);
  frame.set(station, 32);
  return frame;
}
