/** Types of the blocks of a pcapng file (IETF draft-ietf-opsawg-pcapng). */
export const pcapngBlock = { section: 0x0a0d0d0a, interface: 1, statistics: 5, packet: 6 } as const;

/** Numbers of their options, which have different meanings in different blocks. */
export const pcapngOption = { end: 0, interfaceName: 2, packetFlags: 2, dropped: 5 } as const;
