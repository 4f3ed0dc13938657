import { randomBytes } from 'node:crypto';

/** A random unicast address, marked as locally administered: for a device without one (virtio 1.4, 5.1.5). */
export function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = (bytes[0] & 0xfe) | 0x02;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
