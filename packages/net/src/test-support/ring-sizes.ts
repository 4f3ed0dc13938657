/** The rings of so many queue pairs, of one size. */
export function pairsOf(pairs: number, size: number): { readonly rx: number; readonly tx: number }[] {
  return Array.from({ length: pairs }, () => ({ rx: size, tx: size }));
}
