/** Forwarding modes, named and meant as in DPDK's testpmd. */
export const forwardModes = ['io', 'macswap', 'rxonly', 'txonly', 'flowgen'] as const;
export type ForwardMode = (typeof forwardModes)[number];
