import { driverJob } from '@vio/native/internal';
import { DESC_F_AVAIL, DESC_F_USED } from '../layout/descriptor.ts';
import { weaklyOrdered } from '../layout/packed-layout.ts';
import { usedBase } from './packed-driver.ts';
import { PackedRing } from './packed-ring.ts';

const availUsed = DESC_F_AVAIL | DESC_F_USED;
const plainLoads = !weaklyOrdered;

/**
 * The driver side of a packed virtqueue with IN_ORDER. The ring of free ids ends at the oldest that is outstanding.
 *
 * One used descriptor may stand for a batch (2.8.8): it carries the id of the last buffer, and the device skips the slots
 * of all of them. Of what the device may write, the skipped buffers count as completely written.
 */
export class PackedInOrderDriver extends PackedRing {
  readonly inOrder = true;
  /** A batch reported by one descriptor that `reap` has not finished: its last id, -1: none, and that one's length. */
  #batchId = -1;
  #batchLength = 0;

  reap(token: Int32Array, length: Int32Array | undefined, from: number, max: number): number {
    if (this.broken !== undefined) return 0;
    const { i32, desc, size, outstanding } = this;
    const { token: tokens, followers, exposed } = this.notes;
    let at = this.lastUsed;
    let oldest = this.idTail;
    let usedBits = this.usedBits;
    let batchId = this.#batchId;
    let freed = 0;
    let out = from | 0;
    const end = out + max;
    while (out < end) {
      if (batchId === -1) {
        const d = desc + (at << 2);
        const word = plainLoads ? i32[d + 3] : Atomics.load(i32, d + 3);
        if (((word >>> 16) & availUsed) !== usedBits || outstanding === out - from) break;
        batchId = word & 0xffff;
        if (batchId >= size || tokens[batchId] < 0) {
          this.break('USED_ID_INVALID', `the device used id ${batchId}, which is not outstanding`);
          break;
        }
        this.#batchLength = i32[d + 2];
      }
      const last = oldest === batchId;
      if (last) batchId = -1;
      if (length !== undefined)
        length[out] = last ? this.#batchLength : exposed === undefined ? 0 : exposed[oldest];
      token[out++] = tokens[oldest];
      tokens[oldest] = -1;
      // A branch, so that the address of the next descriptor does not have to wait for this load.
      if (followers[oldest] !== 0) {
        at += followers[oldest];
        freed += followers[oldest];
        followers[oldest] = 0;
      }
      freed++;
      if (++oldest === size) oldest = 0;
      if (++at >= size) {
        at -= size;
        usedBits ^= availUsed;
      }
    }
    const n = out - from;
    this.#batchId = batchId;
    this.idTail = oldest;
    this.took(n, freed, at, usedBits);
    return n;
  }

  override usedWaiting(): boolean {
    return super.usedWaiting() || (this.#batchId !== -1 && this.broken === undefined);
  }

  base(): number {
    const { i32, size } = this;
    const { token, followers } = this.notes;
    let at = this.lastUsed;
    let bits = this.usedBits;
    let batchId = this.#batchId;
    let oldest = this.idTail;
    for (let left = this.broken === undefined ? this.outstanding : 0; left > 0; left--) {
      if (batchId === -1) {
        const word = Atomics.load(i32, this.desc + (at << 2) + 3);
        const id = word & 0xffff;
        if (((word >>> 16) & availUsed) !== bits || id >= size || token[id] < 0) break;
        batchId = id;
      }
      // One used descriptor stands for all buffers up to the one it names.
      if (batchId === oldest) batchId = -1;
      at += followers[oldest] + 1;
      if (++oldest === size) oldest = 0;
      if (at < size) continue;
      at -= size;
      bits ^= availUsed;
    }
    return usedBase(at, bits);
  }

  override reclaim(token: Int32Array): number {
    this.#batchId = -1;
    return super.reclaim(token);
  }

  override lend(job: Int32Array): void {
    super.lend(job);
    job[driverJob.batchId] = this.#batchId;
    job[driverJob.batchLength] = this.#batchLength;
  }

  override takeBack(job: Int32Array): void {
    super.takeBack(job);
    this.#batchId = job[driverJob.batchId];
    this.#batchLength = job[driverJob.batchLength];
  }
}
