/** Ethernet, IPv4 and UDP headers for nobody here, as testpmd's txonly writes them. */
export const headers = Buffer.from(
  '020000000000020000000001080045000032000000004011b37ac6120001c612000200090009001e0000',
  'hex',
);

export const burstSize = 32;
/** Bursts between two turns of the event loop. */
export const bursts = 16;
