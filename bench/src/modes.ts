/**
 * What a contender does, in testpmd's words: `txonly` generates frames, `rxonly` takes them, `io` sends back what it
 * receives. The common peer does the opposite.
 */
export type Mode = 'txonly' | 'rxonly' | 'io';

export const peerMode: Readonly<Record<Mode, Mode>> = { txonly: 'rxonly', rxonly: 'txonly', io: 'io' };

/** Which end of the virtqueues a contender is. */
export type Side = 'frontend' | 'backend';
