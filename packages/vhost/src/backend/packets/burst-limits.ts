/** Chains that are fetched at a time, and packets of a burst, at most. */
export const chainsPerBurst = 64;
/** Chains of one descriptor each that are fetched in one go for an engine: long packets to a driver take several. */
export const singlesPerRun = 4 * chainsPerBurst;
/** Segments that a burst of those chains has room for; a longer ring's has as many as the ring. */
export const segmentsPerBurst = 2048;
/** More bytes than any packet has, and any driver's buffer. */
export const anyLength = 0x3fff_ffff;
/** Last 32-bit word of a 12-byte header whose num_buffers is 1. */
export const oneBuffer = 1 << 16;
