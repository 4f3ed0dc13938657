import { type CopyEngine, copyOpWords, nativeCopyEngine } from '@vio/native/internal';
import type { BufferPool } from '@vio/rings';
import { registerRegion } from '@vio/rings/internal';
import type { PacketBurst } from '../packet-burst.ts';

/** Copies per run: a burst of 64 packets, each over as many buffers as the largest frame takes. */
const copiesPerRun = 2048;

/**
 * Copies packets from one pool to another, as forwarding between two ports takes: every port has memory of its own,
 * which its backend can see. All copies of a burst are one call.
 */
export class PacketCopier {
  readonly #source: BufferPool;
  readonly #target: BufferPool;
  readonly #engine: CopyEngine;
  readonly #from: number;
  readonly #to: number;
  readonly #one = new Int32Array(1);
  #count = 0;

  /** @throws TypeError when a pool lies in shared memory of JavaScript's own kind, which no device can see */
  constructor(source: BufferPool, target: BufferPool) {
    this.#source = source;
    this.#target = target;
    this.#engine = nativeCopyEngine(copiesPerRun);
    this.#from = registerRegion(this.#engine, source.region);
    this.#to = registerRegion(this.#engine, target.region);
  }

  /**
   * Copies packets `first` to `burst.count - 1` into buffers of the target pool, described by `copies` from its entry
   * `copies.count` on. The originals stay the caller's.
   * @returns how many: fewer when the target pool or `copies` has no more room
   */
  copy(burst: PacketBurst, copies: PacketBurst, first = 0): number {
    copies.pool = this.#target;
    let done = 0;
    for (let i = first; i < burst.count && copies.count < copies.capacity; i++, done++) {
      if (!this.#note(burst, i, copies)) break;
      const entry = copies.count - 1;
      if (copies.vlan !== undefined) copies.vlan[entry] = burst.vlan === undefined ? 0 : burst.vlan[i];
      if (copies.offloads === undefined) continue;
      if (burst.offloads === undefined) copies.offloads.clear(entry);
      else copies.offloads.copy(entry, burst.offloads, i);
    }
    this.#engine.run(this.#count);
    this.#count = 0;
    return done;
  }

  #note(burst: PacketBurst, i: number, copies: PacketBurst): boolean {
    const source = this.#source;
    const target = this.#target;
    const bytes = burst.length[i];
    const needed = Math.max(1, Math.ceil(bytes / target.dataRoom));
    if (target.free < needed || this.#count + needed + burst.segments[i] > copiesPerRun) return false;
    let segment = burst.buffer[i];
    let from = burst.offset[i];
    let available = burst.segments[i] === 1 ? bytes : source.dataLength[segment];
    let previous = -1;
    for (let left = bytes; left > 0 || previous === -1;) {
      target.alloc(this.#one, 0, 1);
      const b = this.#one[0];
      const to = target.dataBase + b * target.stride;
      const part = left < target.dataRoom ? left : target.dataRoom;
      target.dataOffset[b] = to;
      target.dataLength[b] = part;
      if (previous !== -1) target.next[previous] = b;
      else this.#describe(copies, b, to, bytes, needed);
      previous = b;
      for (let filled = 0; filled < part;) {
        if (available === 0) {
          segment = source.next[segment];
          from = source.dataOffset[segment];
          available = source.dataLength[segment];
        }
        const piece = part - filled < available ? part - filled : available;
        this.#add(from, to + filled, piece);
        from += piece;
        available -= piece;
        filled += piece;
      }
      left -= part;
    }
    return true;
  }

  #describe(copies: PacketBurst, b: number, offset: number, bytes: number, segments: number): void {
    const entry = copies.count++;
    copies.buffer[entry] = b;
    copies.offset[entry] = offset;
    copies.length[entry] = bytes;
    copies.segments[entry] = segments;
  }

  #add(from: number, to: number, bytes: number): void {
    const { ops } = this.#engine;
    const at = this.#count++ * copyOpWords;
    ops[at] = this.#from;
    ops[at + 1] = from;
    ops[at + 2] = this.#to;
    ops[at + 3] = to;
    ops[at + 4] = bytes;
  }
}
