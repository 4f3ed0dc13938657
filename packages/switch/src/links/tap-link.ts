import { readSync, writeSync } from 'node:fs';
import { type PacketBurst, QueueStats } from '@vio/net';
import { queueCounterNames } from '@vio/net/internal';
import { BufferPool, Region } from '@vio/rings';
import type { Tap } from '@vio/vhost-kernel';
import { leavesWork } from '../fabric/frame-offloads.ts';
import type { Link } from '../fabric/link.ts';
import { PlainCopies, type PlainSink } from './plain-copies.ts';
import { SleepWatch } from './sleep-watch.ts';

const largestFrame = 65_536;

/** What is used of a tap. */
export type TapParts = Pick<Tap, 'fds' | 'name' | 'mac' | 'up'>;

/**
 * A tap whose frames are read and written one by one: what there is where the kernel has no vhost-net, or does not give it to this
 * process. Every frame is a system call.
 */
export class TapLink implements Link, PlainSink {
  readonly queues = 1;
  readonly #tap: TapParts;
  readonly #fd: number;
  readonly #sleep: SleepWatch;
  readonly #frame = new Uint8Array(largestFrame);
  readonly #rx = new QueueStats();
  readonly #tx = new QueueStats();
  readonly #one = new Int32Array(1);
  /** Bytes of a frame that was read when there was no buffer for it. */
  #kept = 0;
  /** Made when the first packet leaves work to the kernel, which is told of no such thing here. */
  #plain: PlainCopies | undefined;
  #closed = false;

  constructor(tap: TapParts, wake: () => void) {
    this.#tap = tap;
    [this.#fd] = tap.fds;
    this.#sleep = new SleepWatch(this.#fd, wake);
  }

  receive(_queue: number, pool: BufferPool, burst: PacketBurst): number {
    burst.pool = pool;
    burst.count = 0;
    while (burst.count < burst.capacity) {
      const bytes = this.#kept > 0 ? this.#kept : this.#read();
      if (bytes === 0) break;
      const needed = Math.ceil(bytes / pool.dataRoom);
      this.#kept = pool.available(needed) < needed ? bytes : 0;
      if (this.#kept > 0) break;
      this.#put(pool, burst, bytes);
    }
    burst.offloads?.flags.fill(0, 0, burst.count);
    burst.offloads?.gsoType.fill(0, 0, burst.count);
    this.#rx.countBurst(pool.region.u8, burst, 0, burst.count);
    return burst.count;
  }

  deliver(burst: PacketBurst, from: number, count: number): number {
    let lost = 0;
    let at = from;
    while (at < from + count) {
      const plain = leavesWork(burst, at);
      let end = at + 1;
      while (end < from + count && leavesWork(burst, end) === plain) end++;
      if (!plain) lost += end - at - this.#writeAll(burst, at, end - at);
      else {
        this.#plain ??= new PlainCopies(scratchPool(), this);
        lost += this.#plain.deliver(burst, at, end - at);
      }
      at = end;
    }
    return lost;
  }

  sendPlain(burst: PacketBurst): number {
    const sent = this.#writeAll(burst, 0, burst.count);
    burst.release();
    return sent;
  }

  #writeAll(burst: PacketBurst, from: number, count: number): number {
    const { pool } = burst;
    if (pool === undefined || this.#closed) return 0;
    let sent = 0;
    while (sent < count && this.#write(pool, burst, from + sent)) sent++;
    this.#tx.countBurst(pool.region.u8, burst, from, from + sent);
    return sent;
  }

  arm(): boolean {
    this.#sleep.arm();
    return this.#kept > 0;
  }

  disarm(): void {
    this.#sleep.disarm();
  }

  /** Before the tap is closed. */
  close(): void {
    this.#closed = true;
    this.disarm();
  }

  stats(): Record<string, number> {
    return {
      ...this.#rx.toRecord('rx_q0_', queueCounterNames),
      ...this.#tx.toRecord('tx_q0_', queueCounterNames),
    };
  }

  describe(): Record<string, unknown> {
    return { kind: 'tap', interface: this.#tap.name, mac: this.#tap.mac, up: this.#tap.up };
  }

  #read(): number {
    if (this.#closed) return 0;
    try {
      return readSync(this.#fd, this.#frame);
    } catch {
      // Nothing there (EAGAIN), the interface is down (EIO) or deleted (EBADFD): the frames of others go on.
      return 0;
    }
  }

  #put(pool: BufferPool, burst: PacketBurst, bytes: number): void {
    const i = burst.count++;
    let previous = -1;
    let segments = 0;
    for (let at = 0; at < bytes; at += pool.dataRoom, segments++) {
      pool.alloc(this.#one, 0, 1);
      const b = this.#one[0];
      const part = Math.min(pool.dataRoom, bytes - at);
      const to = pool.dataBase + b * pool.stride;
      pool.dataOffset[b] = to;
      pool.dataLength[b] = part;
      pool.region.u8.set(this.#frame.subarray(at, at + part), to);
      if (previous === -1) {
        burst.buffer[i] = b;
        burst.offset[i] = to;
      } else pool.next[previous] = b;
      previous = b;
    }
    burst.length[i] = bytes;
    burst.segments[i] = segments;
  }

  #write(pool: BufferPool, burst: PacketBurst, i: number): boolean {
    const { u8 } = pool.region;
    try {
      if (burst.segments[i] === 1) {
        writeSync(this.#fd, u8, burst.offset[i], burst.length[i]);
        return true;
      }
      let bytes = 0;
      for (let b = burst.buffer[i]; b !== -1; b = pool.next[b]) {
        this.#frame.set(u8.subarray(pool.dataOffset[b], pool.dataOffset[b] + pool.dataLength[b]), bytes);
        bytes += pool.dataLength[b];
      }
      writeSync(this.#fd, this.#frame, 0, bytes);
      return true;
    } catch {
      return false;
    }
  }
}

/** Buffers for one packet of 64 KiB, and for a burst of what it is cut into. */
function scratchPool(): BufferPool {
  const count = 256;
  return new BufferPool({ region: new Region(new ArrayBuffer(count * 2176)), offset: 0, count });
}
