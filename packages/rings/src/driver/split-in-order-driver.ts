import { driverJob } from '@vio/native/internal';
import { SplitRing } from './split-ring.ts';

/**
 * The driver side of a split virtqueue with IN_ORDER (virtio 1.4, sections 2.7.9 and 2.7.5.2). Descriptors are taken and
 * freed in ring order, so the oldest buffer begins where the ring of free ids ends.
 *
 * The device may write one used entry for a whole batch: it carries the head of the batch's last buffer, and used.idx
 * moves by the batch. Of the skipped buffers no length is known; those for writing count as completely written.
 *
 * Where the device only reads, used.idx says everything, and the entries are not looked at: their cache lines need not leave the
 * device's processor. So does DPDK's driver.
 */
export class SplitInOrderDriver extends SplitRing {
  readonly inOrder = true;
  /** A batch the device reported with one entry and `reap` has not finished: its last head, -1: none, and that one's length. */
  #batchId = -1;
  #batchLength = 0;

  reap(token: Int32Array, length: Int32Array | undefined, from: number, max: number): number {
    const ready = this.used();
    if (ready === 0) return 0;
    const n = ready < max ? ready : max;
    const { i32, mask } = this;
    const { token: tokens, followers, exposed } = this.notes;
    if (exposed === undefined) return this.#reapRead(token, length, from, n);
    const last = this.lastUsed;
    const ring = this.usedRing;
    let idTail = this.idTail;
    let batchId = this.#batchId;
    for (let i = 0; i < n; i++) {
      const oldest = idTail & mask;
      let written: number;
      if (batchId === -1) {
        const entry = ring + (((last + i) & mask) << 1);
        batchId = i32[entry];
        written = i32[entry + 1];
        if (batchId !== oldest) {
          if (!this.#isAhead(oldest, ready - i, batchId)) {
            this.took(i, idTail);
            this.break('USED_ID_INVALID', `the device used id ${batchId >>> 0}, which is not outstanding`);
            return i;
          }
          this.#batchLength = written;
        }
      } else {
        written = this.#batchLength;
      }
      if (length !== undefined) {
        length[from + i] = batchId === oldest ? written : exposed[oldest];
      }
      if (batchId === oldest) batchId = -1;
      token[from + i] = tokens[oldest];
      tokens[oldest] = -1;
      idTail++;
      // The descriptors behind the head follow it in the ring of free ids as well.
      if (followers[oldest] !== 0) {
        idTail += followers[oldest];
        followers[oldest] = 0;
      }
    }
    this.#batchId = batchId;
    this.took(n, idTail);
    return n;
  }

  /** Takes back the oldest `n` buffers of a queue whose device only reads. */
  #reapRead(token: Int32Array, length: Int32Array | undefined, from: number, n: number): number {
    length?.fill(0, from, from + n);
    this.took(n, this.#takeOldest(token, from, n));
    return n;
  }

  override reclaim(token: Int32Array): number {
    // Every id goes back to the place that has its number.
    const n = this.outstanding;
    this.idTail = this.#takeOldest(token, 0, n);
    this.outstanding = 0;
    this.#batchId = -1;
    return n;
  }

  /** @returns where the ring of free ids ends without the oldest `n` buffers */
  #takeOldest(token: Int32Array, from: number, n: number): number {
    const { mask } = this;
    const { token: tokens, followers } = this.notes;
    let idTail = this.idTail;
    for (let i = 0; i < n; i++) {
      const oldest = idTail & mask;
      token[from + i] = tokens[oldest];
      tokens[oldest] = -1;
      idTail += followers[oldest] + 1;
      followers[oldest] = 0;
    }
    return idTail;
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

  /** @returns whether `id` is the head of one of the next `ready` buffers */
  #isAhead(oldest: number, ready: number, id: number): boolean {
    const { followers } = this.notes;
    let head = oldest;
    for (let k = 1; k < ready; k++) {
      head = (head + followers[head] + 1) & this.mask;
      if (head === id) return true;
    }
    return false;
  }
}
