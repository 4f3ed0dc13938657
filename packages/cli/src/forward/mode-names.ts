/** Forwarding modes, named and meant as in DPDK's testpmd. */
export const forwardModes = [
  'io',
  'macswap',
  'rxonly',
  'txonly',
  'flowgen',
  'mac',
  'csum',
  'checksum',
  'icmpecho',
  '5tswap',
] as const;
export type ForwardMode = (typeof forwardModes)[number];
