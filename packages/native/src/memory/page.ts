/** Bytes of the smallest page of memory there is on x86-64 and arm64: addresses that are mapped are multiples of it. */
export const pageBytes = 4096;

/** @returns so many bytes, rounded up to whole pages */
export function wholePages(bytes: number, page = pageBytes): number {
  return Math.ceil(bytes / page) * page;
}
