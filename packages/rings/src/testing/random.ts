/** Numbers that follow from a seed (xorshift): what a fuzzer does, it does again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 7919 + 13) >>> 0 || 1;
  }

  /** The next 32 bits, unsigned. */
  u32(): number {
    let s = this.#state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.#state = s >>> 0;
    return this.#state;
  }

  /** 0 to `n - 1`. */
  below(n: number): number {
    return this.u32() % n;
  }

  /** True with probability `p`, 0 to 1. */
  chance(p: number): boolean {
    return this.u32() < p * 0x1_0000_0000;
  }

  /** One of a list. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  /** Puts anything into `u8` from `from` to `end`. */
  scramble(u8: Uint8Array, from = 0, end = u8.length): void {
    for (let at = from; at < end; at++) u8[at] = this.u32();
  }
}
