// An entry of its own, which loads nothing: not the addon either, for programs that are to start quickly.

/**
 * Milliseconds that a step may take which needs a peer or a device, where the caller said nothing: reaching a backend, a request
 * and its answer, a command.
 */
export const defaultTimeout = 5000;

/** Milliseconds that a peer may keep us from what goes on without it as well: a stop, an answer that it has to read. */
export const shortTimeout = 1000;

/** Milliseconds of the longest timer that there is. One that is longer would be over at once. */
export const longestTimer = 2 ** 31 - 1;
