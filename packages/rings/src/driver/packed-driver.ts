import { DESC_F_AVAIL, DESC_F_USED } from '../layout/descriptor.ts';
import { weaklyOrdered } from '../layout/packed-layout.ts';
import { PackedRing } from './packed-ring.ts';

const availUsed = DESC_F_AVAIL | DESC_F_USED;
const plainLoads = !weaklyOrdered;

/** The driver side of a packed virtqueue whose buffers come back in any order. */
export class PackedDriver extends PackedRing {
  readonly inOrder = false;

  reap(token: Int32Array, length: Int32Array | undefined, from: number, max: number): number {
    if (this.broken !== undefined) return 0;
    const { i32, desc, size } = this;
    const { followers, token: tokens, ids } = this.notes;
    let usedBits = this.usedBits;
    let idTail = this.idTail;
    let at = this.lastUsed;
    let out = from | 0;
    const end = out + max;
    let freed = 0;
    for (; out < end; out++) {
      const d = desc + (at << 2);
      const word = plainLoads ? i32[d + 3] : Atomics.load(i32, d + 3);
      if (((word >>> 16) & availUsed) !== usedBits) break;
      const id = word & 0xffff;
      const own = id < size ? tokens[id] : -1;
      if (own < 0) {
        this.break('USED_ID_INVALID', `the device used id ${id}, which is not outstanding`);
        break;
      }
      token[out] = own;
      tokens[id] = -1;
      if (length !== undefined) length[out] = i32[d + 2];
      ids[idTail] = id;
      if (++idTail === size) idTail = 0;
      // A branch, so that the address of the next descriptor does not have to wait for this load.
      if (followers[id] !== 0) {
        at += followers[id];
        freed += followers[id];
        followers[id] = 0;
      }
      freed++;
      if (++at >= size) {
        at -= size;
        usedBits ^= availUsed;
      }
    }
    const n = out - from;
    this.idTail = idTail;
    this.took(n, freed, at, usedBits);
    return n;
  }

  base(): number {
    const { i32, size } = this;
    const { token, followers } = this.notes;
    let at = this.lastUsed;
    let bits = this.usedBits;
    for (let left = this.broken === undefined ? this.outstanding : 0; left > 0; left--) {
      const word = Atomics.load(i32, this.desc + (at << 2) + 3);
      const id = word & 0xffff;
      if (((word >>> 16) & availUsed) !== bits || id >= size || token[id] < 0) break;
      at += followers[id] + 1;
      if (at < size) continue;
      at -= size;
      bits ^= availUsed;
    }
    return usedBase(at, bits);
  }
}

/** @returns the vring base of a device that has fetched nothing it did not use */
export function usedBase(at: number, usedBits: number): number {
  const half = at | (usedBits === 0 ? 0 : 0x8000);
  return (half | (half << 16)) >>> 0;
}
