// Which switch port a MAC address was last seen on.

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

interface Entry<Port> {
  port: Port;
  /** When the address was heard last. */
  heard: number;
}

/**
 * Learned addresses. An address not heard for the ageing time is forgotten, as IEEE 802.1D wants it; the table is
 * bounded: when full, the address learned first goes. Times are milliseconds of any one clock.
 */
export class MacTable<Port> {
  readonly #entries = new Map<number, Entry<Port>>();
  readonly #ageing: number;
  readonly #limit: number;

  constructor(ageing = 300_000, limit = 4096) {
    this.#ageing = ageing;
    this.#limit = limit;
  }

  learn(mac: number, port: Port, now: number): void {
    const entry = this.#entries.get(mac);
    if (entry !== undefined) {
      entry.port = port;
      entry.heard = now;
      return;
    }
    if (this.#entries.size === this.#limit) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(mac, { port, heard: now });
  }

  lookup(mac: number, now: number): Port | undefined {
    const entry = this.#entries.get(mac);
    if (entry === undefined || now - entry.heard <= this.#ageing) return entry?.port;
    this.#entries.delete(mac);
    return undefined;
  }

  forget(port: Port): void {
    for (const [mac, entry] of this.#entries) {
      if (entry.port === port) this.#entries.delete(mac);
    }
  }
}
