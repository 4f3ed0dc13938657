/**
 * Whether moving an index from `old` to `next` passes `event`, so that the other side wants to hear of it: the
 * formula of virtio 1.4 sections 2.7.7.2 and 2.7.10. All three are free-running 16-bit counters.
 */
export function needEvent(event: number, next: number, old: number): boolean {
  return ((next - event - 1) & 0xffff) < ((next - old) & 0xffff);
}
