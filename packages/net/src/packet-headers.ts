// Sizes and numbers of the headers of packets, for whoever reads or writes them: Ethernet and its tags (IEEE 802.3, 802.1Q), ARP
// (RFC 826), IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293) and UDP (RFC 768). Places are in bytes from the start of their header.

/** Bytes of an Ethernet header without tags. */
export const ethernetBytes = 14;
/** Bytes of a VLAN tag. */
export const vlanTagBytes = 4;

/** EtherType of IPv4. */
export const typeIpv4 = 0x0800;
/** EtherType of ARP. */
export const typeArp = 0x0806;
/** EtherType of reverse ARP (RFC 903). */
export const typeRarp = 0x8035;
/** EtherType of a VLAN tag (802.1Q). */
export const typeVlan = 0x8100;
/** EtherType of IPv6. */
export const typeIpv6 = 0x86dd;
/** EtherType of the outer tag of two (802.1ad). */
export const typeProviderVlan = 0x88a8;

/** Bytes of an IPv4 header without options. */
export const ipv4Bytes = 20;
/** Bytes of an IPv6 header, without those that may follow it. */
export const ipv6Bytes = 40;

/** TCP's number above IP. */
export const protocolTcp = 6;
/** UDP's number above IP. */
export const protocolUdp = 17;

/** Bytes of a TCP header without options. */
export const tcpBytes = 20;
/** Bytes of a UDP header. */
export const udpBytes = 8;
/** Where TCP has the length of its header, in 32-bit words, in the upper half of a byte. */
export const tcpLengthAt = 12;
/** Where UDP says how long it is, header included. */
export const udpLengthAt = 4;
/** Where TCP keeps its checksum. */
export const tcpChecksumAt = 16;
/** Where UDP keeps its checksum. */
export const udpChecksumAt = 6;
