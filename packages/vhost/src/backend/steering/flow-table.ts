/** Entries of a set: a flow is looked for in all of them. */
const ways = 2;

/**
 * Which queue pair each flow was last sent on: of a bounded size, so that old flows make room for new ones. Flows are
 * known by their hashes; two with the same one share a queue, which harms neither.
 */
export class FlowTable {
  readonly #hash: Int32Array;
  /** 0: the entry is empty; else the pair and 1. */
  readonly #pair: Uint16Array;
  readonly #mask: number;

  /** @param flows it can hold, a power of two */
  constructor(flows: number) {
    if (!Number.isInteger(flows) || flows < ways || (flows & (flows - 1)) !== 0) {
      throw new RangeError(`a table for ${flows} flows: give a power of two, ${ways} or more`);
    }
    this.#hash = new Int32Array(flows);
    this.#pair = new Uint16Array(flows);
    this.#mask = flows - ways;
  }

  set(hash: number, pair: number): void {
    const first = hash & this.#mask;
    for (let at = first; at < first + ways; at++) {
      if (this.#pair[at] === 0 || this.#hash[at] !== hash) continue;
      this.#pair[at] = pair + 1;
      return;
    }
    // The younger one stays, in second place.
    this.#hash[first + 1] = this.#hash[first];
    this.#pair[first + 1] = this.#pair[first];
    this.#hash[first] = hash;
    this.#pair[first] = pair + 1;
  }

  /** @returns the queue pair, -1 when the flow is not known (any more) */
  get(hash: number): number {
    const first = hash & this.#mask;
    for (let at = first; at < first + ways; at++) {
      if (this.#hash[at] === hash && this.#pair[at] !== 0) return this.#pair[at] - 1;
    }
    return -1;
  }

  clear(): void {
    this.#pair.fill(0);
  }
}
