/** Changes of a letter that make one word of the other at most, for somebody to have meant it. */
const mostChanges = 2;

/** Which of the words somebody may have meant; undefined: none is near. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  // Of one letter everything is near.
  if (word.length < 2) return undefined;
  const limit = Math.min(mostChanges, Math.max(1, Math.floor(word.length / 2)));
  let best: string | undefined;
  let least = limit + 1;
  for (const other of words) {
    if (Math.abs(other.length - word.length) >= least) continue;
    const changes = distance(word, other);
    if (changes < least) {
      least = changes;
      best = other;
    }
  }
  return best;
}

/** Letters to insert, leave out, replace or exchange with the next one (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, before[j - 2] + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length];
}
