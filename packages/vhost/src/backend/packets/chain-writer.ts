import { ChainBurst, type MemoryMap } from '@vio/rings';
import type { CopySink } from './packet-holder.ts';

/** Before the first chain. */
const none = new ChainBurst(1, 1);

/** Writes a byte stream over the writable segments of consecutive chains, and how much each chain got. */
export class ChainWriter {
  #chains = none;
  #chain = 0;
  #segment = 0;
  #end = 0;
  #at = 0;

  begin(chains: ChainBurst, chain: number): void {
    this.#chains = chains;
    this.#chain = chain - 1;
    this.#segment = 0;
    this.#end = 0;
    this.#at = 0;
  }

  header(memory: MemoryMap, bytes: number, header: Uint8Array): void {
    for (let i = 0; i < bytes; i++) {
      this.#forward();
      const { region } = memory.windows[this.#chains.window[this.#segment]];
      region.u8[this.#chains.offset[this.#segment] + this.#at] = header[i];
      this.#wrote(1);
    }
  }

  copy(copier: CopySink, local: number, from: number, bytes: number): void {
    for (let done = 0; done < bytes;) {
      this.#forward();
      const room = this.#chains.length[this.#segment] - this.#at;
      const part = bytes - done < room ? bytes - done : room;
      copier.toDriver(
        local,
        from + done,
        this.#chains.window[this.#segment],
        this.#chains.offset[this.#segment] + this.#at,
        part,
      );
      this.#wrote(part);
      done += part;
    }
  }

  /** Moves to a segment with room; the caller has made sure that there is one. */
  #forward(): void {
    const chains = this.#chains;
    while (this.#segment === this.#end || this.#at === chains.length[this.#segment]) {
      if (this.#segment < this.#end) this.#segment++;
      while (this.#segment === this.#end) {
        this.#chain++;
        this.#segment = chains.firstSegment[this.#chain] + chains.readable[this.#chain];
        this.#end = chains.firstSegment[this.#chain + 1];
        chains.written[this.#chain] = 0;
      }
      this.#at = 0;
    }
  }

  #wrote(bytes: number): void {
    this.#at += bytes;
    this.#chains.written[this.#chain] += bytes;
  }
}
