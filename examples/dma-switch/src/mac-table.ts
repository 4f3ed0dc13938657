// Which port a MAC address was last seen on.

/** A MAC address as one number: 48 bits are exact in a double. */
export function macAt(u8: Uint8Array, offset: number): number {
  const high = (u8[offset] << 8) | u8[offset + 1];
  const low =
    ((u8[offset + 2] << 24) | (u8[offset + 3] << 16) | (u8[offset + 4] << 8) | u8[offset + 5]) >>> 0;
  return high * 0x1_0000_0000 + low;
}

/** True for multicast and broadcast addresses: the first byte's lowest bit. */
export function isGroup(u8: Uint8Array, offset: number): boolean {
  return (u8[offset] & 1) === 1;
}

/** Learned addresses, so many of them: when there are more, the one learned first goes. */
export class MacTable<Port> {
  readonly #ports = new Map<number, Port>();
  readonly #limit: number;

  constructor(limit = 4096) {
    this.#limit = limit;
  }

  learn(mac: number, port: Port): void {
    if (this.#ports.get(mac) === port) return;
    if (this.#ports.size >= this.#limit)
      for (const oldest of this.#ports.keys()) {
        this.#ports.delete(oldest);
        break;
      }
    this.#ports.set(mac, port);
  }

  lookup(mac: number): Port | undefined {
    return this.#ports.get(mac);
  }

  forget(port: Port): void {
    for (const [mac, on] of this.#ports) if (on === port) this.#ports.delete(mac);
  }
}
