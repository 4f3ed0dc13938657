import { macToBytes } from '@vio/net';
import { be16, be32 } from '@vio/net/internal';

/** MAC addresses, looked up in packets without a copy: open addressing over two arrays of halves. */
export class MacSet {
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  readonly #used: Uint8Array;
  readonly #mask: number;

  /** @param macs as `02:00:00:00:00:01` */
  constructor(macs: readonly string[]) {
    // At most half full, so that a search ends soon.
    const size = 2 ** Math.ceil(Math.log2(2 * macs.length + 1));
    this.#high = new Int32Array(size);
    this.#low = new Int32Array(size);
    this.#used = new Uint8Array(size);
    this.#mask = size - 1;
    for (const mac of macs) this.#add(macToBytes(mac));
  }

  /** Whether the address at `at` is one of them. */
  has(u8: Uint8Array, at: number): boolean {
    const place = this.#find(be16(u8, at), be32(u8, at + 2));
    return this.#used[place] === 1;
  }

  #add(bytes: Uint8Array): void {
    const high = be16(bytes, 0);
    const low = be32(bytes, 2);
    const place = this.#find(high, low);
    this.#high[place] = high;
    this.#low[place] = low;
    this.#used[place] = 1;
  }

  /** Where the address is, or the empty place where it would be. */
  #find(high: number, low: number): number {
    let place = (Math.imul(low ^ high, 0x9e3779b1) >>> 15) & this.#mask;
    while (this.#used[place] === 1 && (this.#high[place] !== high || this.#low[place] !== low)) {
      place = (place + 1) & this.#mask;
    }
    return place;
  }
}
