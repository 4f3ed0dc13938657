/** How many queue pairs are enabled whole, from the first on: pairs are used without gaps. @param enabled numbers of queues */
export function wholePairs(enabled: ReadonlySet<number>): number {
  let pairs = 0;
  while (enabled.has(2 * pairs) && enabled.has(2 * pairs + 1)) pairs++;
  return pairs;
}
