import { SplitRing } from './split-ring.ts';

/** The driver side of a split virtqueue whose buffers come back in any order (virtio 1.4, section 2.7). */
export class SplitDriver extends SplitRing {
  readonly inOrder = false;

  reap(token: Int32Array, length: Int32Array | undefined, from: number, max: number): number {
    const ready = this.used();
    if (ready === 0) return 0;
    const n = ready < max ? ready : max;
    const { i32, mask, size } = this;
    const { ids, token: tokens, followers } = this.notes;
    const last = this.lastUsed;
    const ring = this.usedRing;
    let idTail = this.idTail;
    for (let i = 0; i < n; i++) {
      const entry = ring + (((last + i) & mask) << 1);
      const id = i32[entry];
      const own = id >= 0 && id < size ? tokens[id] : -1;
      if (own < 0) {
        this.took(i, idTail);
        this.break('USED_ID_INVALID', `the device used id ${id >>> 0}, which is not outstanding`);
        return i;
      }
      token[from + i] = own;
      tokens[id] = -1;
      if (length !== undefined) length[from + i] = i32[entry + 1];
      ids[idTail++ & mask] = id;
      if (followers[id] !== 0) idTail = this.freeFollowers(id, idTail);
    }
    this.took(n, idTail);
    return n;
  }
}
