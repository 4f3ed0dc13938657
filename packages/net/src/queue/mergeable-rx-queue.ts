import { driverJob } from '@vio/native/internal';
import { numBuffersOffset } from '../header.ts';
import type { PacketBurst } from '../packet-burst.ts';
import type { BurstKernel } from './burst-kernel.ts';
import { RxQueue } from './rx-queue.ts';

/**
 * With MRG_RXBUF a packet may be spread over several buffers: the first one's header says over how many
 * (virtio 1.4, section 5.1.9.4). A packet that is not complete at the end of a burst is continued by the next.
 */
export class MergeableRxQueue extends RxQueue {
  #head = -1;
  #tail = -1;
  #missing = 0;
  #bytes = 0;
  #buffers = 0;

  protected override get mergeable(): boolean {
    return true;
  }

  protected override runKernel(kernel: BurstKernel, burst: PacketBurst, freeThreshold: number): void {
    const { job } = kernel;
    job[driverJob.partHead] = this.#head;
    job[driverJob.partTail] = this.#tail;
    job[driverJob.partMissing] = this.#missing;
    job[driverJob.partBytes] = this.#bytes;
    job[driverJob.partBuffers] = this.#buffers;
    kernel.receive(burst, freeThreshold);
    this.#head = job[driverJob.partHead];
    this.#tail = job[driverJob.partTail];
    this.#missing = job[driverJob.partMissing];
    this.#bytes = job[driverJob.partBytes];
    this.#buffers = job[driverJob.partBuffers];
  }

  protected override assemble(burst: PacketBurst, reaped: number): number {
    const { buffer, offset, length, segments } = burst;
    const { dataBase, stride, dataRoom, region } = this.pool;
    const { header, stats } = this;
    const { u16, u8 } = region;
    let n = 0;
    for (let i = 0; i < reaped; i++) {
      const b = buffer[i];
      const written = length[i];
      const data = dataBase + Math.imul(b, stride);
      if (this.#missing > 0) {
        if (this.#append(b, data - header, written)) n = this.#emit(u8, burst, n);
        continue;
      }
      const bytes = written - header;
      // Read once: the device could still write it. Devices that leave it 0 mean 1, so DPDK takes it.
      const buffers = bytes < 0 ? 1 : u16[(data - header + numBuffersOffset) >>> 1] || 1;
      if (buffers > 1) {
        if (buffers > this.queue.size) {
          this.pool.release(buffer, i, reaped - i);
          stats.countErrors(1, 'header');
          stats.settle();
          return this.#lost(n, buffers);
        }
        this.#begin(b, data, bytes, buffers);
        continue;
      }
      if (bytes <= 0 || bytes > dataRoom) {
        this.pool.release(buffer, i, 1);
        stats.countErrors(1, 'length');
        continue;
      }
      buffer[n] = b;
      offset[n] = data;
      length[n] = bytes;
      segments[n] = 1;
      stats.count(u8, data, bytes);
      n++;
    }
    stats.settle();
    return n;
  }

  override reclaim(): void {
    super.reclaim();
    if (this.#missing > 0) this.pool.releaseChain(this.#head);
    this.#missing = 0;
  }

  #begin(b: number, data: number, bytes: number, buffers: number): void {
    this.pool.dataOffset[b] = data;
    this.pool.dataLength[b] = bytes;
    this.#head = b;
    this.#tail = b;
    // A length no buffer has: the packet is given up when it is complete.
    this.#bytes = bytes > this.pool.dataRoom ? -1 : bytes;
    this.#buffers = buffers;
    this.#missing = buffers - 1;
  }

  /** Adds a following buffer, which holds data from its very start. @returns true when the packet is complete */
  #append(b: number, start: number, written: number): boolean {
    const { pool } = this;
    const room = pool.dataRoom + this.header;
    if (written < 0 || written > room) this.#bytes = -1;
    pool.dataOffset[b] = start;
    pool.dataLength[b] = written;
    pool.next[this.#tail] = b;
    this.#tail = b;
    if (this.#bytes >= 0) this.#bytes += written;
    return --this.#missing === 0;
  }

  #emit(u8: Uint8Array, burst: PacketBurst, n: number): number {
    // Nothing but headers, or a length no buffer has.
    if (this.#bytes <= 0) {
      this.pool.releaseChain(this.#head);
      this.stats.countErrors(1, 'length');
      return n;
    }
    burst.buffer[n] = this.#head;
    burst.offset[n] = this.pool.dataOffset[this.#head];
    burst.length[n] = this.#bytes;
    burst.segments[n] = this.#buffers;
    this.stats.count(u8, burst.offset[n], this.#bytes);
    return n + 1;
  }

  /** Where the next packet begins cannot be known any more. */
  #lost(n: number, buffers: number): number {
    this.fault = {
      code: 'HEADER_INVALID',
      detail: `num_buffers is ${buffers}, the ring has ${this.queue.size} descriptors`,
    };
    return n;
  }
}
