import { PacketOffloads } from '@vio/net';
import type { HeaderCodec } from '@vio/net/internal';
import type { MemoryMap } from '@vio/rings';
import type { SingleBurst } from '@vio/rings/internal';
import { chainsPerBurst } from '../packets/burst-limits.ts';

/** Of a header, all that says something: 10 bytes. */
const headerHalves = 5;

/** What the headers in front of a driver's packets say, in chains of one descriptor each. */
export class SingleHeaders {
  /** Of those that were read last, chain by chain. */
  readonly said = new PacketOffloads(chainsPerBurst);
  readonly #memory: MemoryMap;
  readonly #codec: HeaderCodec;
  /** The header of a packet, copied once. */
  readonly #copied = new Uint16Array(headerHalves);

  constructor(memory: MemoryMap, codec: HeaderCodec) {
    this.#memory = memory;
    this.#codec = codec;
  }

  /** Copies headers, and reads the copies. @returns how many make sense, up to the first that does not */
  read({ window, offset, length, count, prefix }: SingleBurst): number {
    const copied = this.#copied;
    const { u16, u8 } = this.#memory.windows[window].region;
    for (let n = 0; n < count; n++) {
      const at = offset[n] - prefix;
      if ((at & 1) === 0) {
        const half = at >>> 1;
        for (let i = 0; i < headerHalves; i++) copied[i] = u16[half + i];
      } else for (let i = 0; i < headerHalves; i++) copied[i] = u8[at + 2 * i] | (u8[at + 2 * i + 1] << 8);
      if (!this.#codec.read(copied, 0, length[n], this.said, n)) return n;
    }
    return count;
  }
}
