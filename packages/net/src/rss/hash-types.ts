/** What a packet is hashed over (virtio 1.4, section 5.1.9.4.3): addresses alone, or with TCP or UDP ports. */
export const HASH_TYPE_IPv4 = 1 << 0;
/** TCP over IPv4: addresses and ports. */
export const HASH_TYPE_TCPv4 = 1 << 1;
/** UDP over IPv4: addresses and ports. */
export const HASH_TYPE_UDPv4 = 1 << 2;
/** IPv6 without extension headers, or with extension headers that are skipped. */
export const HASH_TYPE_IPv6 = 1 << 3;
/** TCP over IPv6: addresses and ports. */
export const HASH_TYPE_TCPv6 = 1 << 4;
/** UDP over IPv6: addresses and ports. */
export const HASH_TYPE_UDPv6 = 1 << 5;

/** The types that `PacketHasher` knows: all but those of mobile IPv6 (IP_EX, TCP_EX, UDP_EX). */
export const supportedHashTypes =
  HASH_TYPE_IPv4 | HASH_TYPE_TCPv4 | HASH_TYPE_UDPv4 | HASH_TYPE_IPv6 | HASH_TYPE_TCPv6 | HASH_TYPE_UDPv6;

/** What a device reports a packet's hash to be of; the hash type is `1 << (report - 1)`. */
export const HASH_REPORT_NONE = 0;
/** The addresses of an IPv4 packet were hashed. */
export const HASH_REPORT_IPv4 = 1;
/** Addresses and ports of TCP over IPv4 were hashed. */
export const HASH_REPORT_TCPv4 = 2;
/** Addresses and ports of UDP over IPv4 were hashed. */
export const HASH_REPORT_UDPv4 = 3;
/** The addresses of an IPv6 packet were hashed. */
export const HASH_REPORT_IPv6 = 4;
/** Addresses and ports of TCP over IPv6 were hashed. */
export const HASH_REPORT_TCPv6 = 5;
/** Addresses and ports of UDP over IPv6 were hashed. */
export const HASH_REPORT_UDPv6 = 6;
/** Of mobile IPv6. */
export const HASH_REPORT_IPv6_EX = 7;
/** TCP over mobile IPv6: home addresses and ports were hashed. */
export const HASH_REPORT_TCPv6_EX = 8;
/** UDP over mobile IPv6: home addresses and ports were hashed. */
export const HASH_REPORT_UDPv6_EX = 9;

/** What a device can do of it (virtio 1.4, section 5.1.4). */
export interface RssLimits {
  /** Bytes of the longest key; at least 40. */
  readonly keyBytes: number;
  /** Entries of the longest table; at least 128, or 0 of a device that reports hashes only. */
  readonly tableEntries: number;
  /** HASH_TYPE_* bits. */
  readonly hashTypes: number;
}

/** The key that Microsoft publishes with its test vectors, for drivers without a preference. */
export const defaultHashKey: Uint8Array = Uint8Array.from([
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca,
  0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b,
  0xbe, 0xac, 0x01, 0xfa,
]);

/** How a device hashes received packets (5.1.9.4.3). */
export interface HashConfig {
  /** HASH_TYPE_* bits; 0: nothing is hashed. */
  readonly hashTypes: number;
  /** Key of the Toeplitz hash: 40 bytes for most devices, at most 255. */
  readonly key: Uint8Array;
}
