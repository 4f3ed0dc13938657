import { PacketFlow } from '@vio/net';
import { be16, macBytes } from '@vio/net/internal';

/**
 * A number for the flow a packet belongs to, the same for both directions: who sent it and who gets it may change places.
 * IP packets by address, and port where there is one; all others by MAC address. Allocates nothing.
 */
export class FlowHash {
  readonly #flow = new PacketFlow();

  /** The VLAN of the packet that was hashed last; -1: it has none. */
  get vlan(): number {
    return this.#flow.vlan;
  }

  /** @param bytes of the frame at `at` that are in one piece @returns a signed 32-bit number */
  of(u8: Uint8Array, at: number, bytes: number): number {
    const flow = this.#flow;
    flow.read(u8, at, bytes);
    const { version, addressAt, portsAt } = flow;
    if (version === 0) {
      if (bytes < 2 * macBytes) return 0;
      return mix((end(u8, at, macBytes, 0) + end(u8, at + macBytes, macBytes, 0)) | 0);
    }
    const addressBytes = version === 4 ? 4 : 16;
    const source = portsAt === -1 ? 0 : be16(u8, portsAt);
    const destination = portsAt === -1 ? 0 : be16(u8, portsAt + 2);
    const one = end(u8, addressAt, addressBytes, source);
    const other = end(u8, addressAt + addressBytes, addressBytes, destination);
    return mix((one + other + flow.protocol) | 0);
  }
}

/** One end of a flow: FNV-1a of its address and port, stirred so that ends can be added up. */
function end(u8: Uint8Array, at: number, bytes: number, port: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < bytes; i++) hash = Math.imul(hash ^ u8[at + i], 0x01000193);
  hash = Math.imul(hash ^ (port & 0xff), 0x01000193);
  hash = Math.imul(hash ^ (port >>> 8), 0x01000193);
  return mix(hash);
}

/** The last steps of MurmurHash3: every bit of the input counts for every bit of the result. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
