/** Bytes of a MAC address. */
export const macBytes = 6;

/** @param mac as in `02:00:00:00:00:01` @returns its 6 bytes */
export function macToBytes(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(':'), (byte) => Number.parseInt(byte, 16));
}

/** @param at byte offset of the address @returns as in `02:00:00:00:00:01` */
export function macFromBytes(bytes: Uint8Array, at = 0): string {
  const address = bytes.subarray(at, at + macBytes);
  return Array.from(address, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** @returns true for `02:00:00:00:00:01` and its like */
export function isMac(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text);
}

/** True of multicast addresses, the broadcast address among them. */
export function isMulticast(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
}

/** True when the address at a byte is the broadcast address. */
export function isBroadcast(u8: Uint8Array, at: number): boolean {
  return (u8[at] & u8[at + 1] & u8[at + 2] & u8[at + 3] & u8[at + 4] & u8[at + 5]) === 0xff;
}

/**
 * A random unicast address that is marked as locally administered, for a device without one (virtio 1.4, section 5.1.5). It is no
 * secret, and `node:crypto` takes longer to load than a port to open.
 */
export function randomMac(): string {
  const bytes = Uint8Array.from({ length: macBytes }, () => Math.floor(Math.random() * 256));
  bytes[0] = (bytes[0] & 0xfe) | 0x02;
  return macFromBytes(bytes);
}
