// Frames and sums written another way than the modes do, so that both are not wrong together.

export const macA = [0x02, 0, 0, 0, 0, 0x0a];
export const macB = [0x02, 0, 0, 0, 0, 0x0b];

/** The ones' complement sum of 16-bit words, folded, not complemented. */
export function foldedSum(bytes: readonly number[]): number {
  let sum = 0n;
  for (let i = 0; i < bytes.length; i += 2) sum += BigInt(bytes[i] * 256 + (bytes[i + 1] ?? 0));
  return Number(sum === 0n ? 0n : ((sum - 1n) % 65535n) + 1n);
}

const word = (value: number): number[] => [value >>> 8, value & 0xff];

export interface Ipv4Frame {
  readonly protocol: number;
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly payload: readonly number[];
  /** EtherTypes and tags in front of the packet. */
  readonly tags?: readonly number[];
  readonly fragment?: number;
}

/** From `macA` to `macB`; the header's checksum is right. */
export function ipv4Frame({ protocol, from, to, payload, tags = [], fragment = 0 }: Ipv4Frame): number[] {
  const header = [0x45, 0, ...word(20 + payload.length), 0, 1, ...word(fragment), 64, protocol];
  const sum = ~foldedSum([...header, ...from, ...to]) & 0xffff;
  return [...macB, ...macA, ...tags, 0x08, 0x00, ...header, ...word(sum), ...from, ...to, ...payload];
}

/** A UDP datagram or TCP segment, its checksum included. */
export function transport(
  protocol: 'tcp' | 'udp',
  ports: readonly [number, number],
  data: readonly number[],
  addresses: readonly number[],
): number[] {
  const head = [...word(ports[0]), ...word(ports[1])];
  const length = (protocol === 'tcp' ? 20 : 8) + data.length;
  const rest =
    protocol === 'tcp' ? [0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 4, 0, 0, 0, 0, 0] : [...word(length), 0, 0];
  const bytes = [...head, ...rest, ...data];
  const pseudo = [...addresses, 0, protocol === 'tcp' ? 6 : 17, ...word(length)];
  const value = ~foldedSum([...pseudo, ...bytes]) & 0xffff;
  const at = protocol === 'tcp' ? 16 : 6;
  bytes.splice(at, 2, ...word(protocol === 'udp' && value === 0 ? 0xffff : value));
  return bytes;
}

/** An ARP packet over Ethernet, from `macA` to everybody. */
export function arpFrame(operation: number, from: readonly number[], to: readonly number[]): number[] {
  const ethernet = [...Array<number>(6).fill(0xff), ...macA, 0x08, 0x06];
  return [...ethernet, 0, 1, 0x08, 0, 6, 4, 0, operation, ...macA, ...from, 0, 0, 0, 0, 0, 0, ...to];
}
