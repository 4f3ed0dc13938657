/**
 * How many frames to send on a queue pair, and how many at once: rings of 256 descriptors go round several times,
 * and never overflow (a frame of 9000 bytes takes up to 6 descriptors, testpmd refills in batches of 32).
 */
export function exchangePlan(length: number): { count: number; window: number } {
  if (length > 2048) return { count: 300, window: 32 };
  return { count: 2000, window: 128 };
}
