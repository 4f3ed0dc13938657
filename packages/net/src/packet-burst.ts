import { checkOptions } from '@vio/native/internal';
import { type BufferPool, Burst } from '@vio/rings';
import { PacketOffloads } from './offload/packet-offloads.ts';

/** A burst of packets: what queues take and give. See `Burst` for its arrays. */
export class PacketBurst extends Burst {
  /** The pool the packets live in; set by whoever fills the burst. */
  pool: BufferPool | undefined;
  /** What the packets' headers say; undefined in bursts for ports without offloads. */
  readonly offloads: PacketOffloads | undefined;

  /**
   * VLAN tag of each packet, apart from its frame: 0, or VLAN_PRESENT and the 16 bits of 802.1Q. Undefined in bursts for ports
   * that neither strip nor insert tags.
   */
  readonly vlan: Uint32Array | undefined;

  /**
   * @param options of the port the burst is for; `NetPort.burst` knows them. Default false
   * @throws VioError VIO_OPTION_UNKNOWN
   */
  constructor(
    capacity = 32,
    options: { readonly offloads?: boolean | undefined; readonly vlan?: boolean | undefined } = {},
  ) {
    super(capacity);
    checkOptions('PacketBurst', options, { offloads: true, vlan: true });
    this.offloads = options.offloads === true ? new PacketOffloads(capacity) : undefined;
    this.vlan = options.vlan === true ? new Uint32Array(capacity) : undefined;
  }

  /** Gives the buffers of packets `from` to `count - 1` back to their pool, whatever their number of segments. */
  release(from = 0): void {
    const { buffer, segments, count } = this;
    if (from >= count) return;
    const pool = this.owner;
    for (let at = from; at < count; at++) {
      let end = at;
      while (end < count && segments[end] === 1) end++;
      pool.release(buffer, at, end - at);
      if (end < count) pool.releaseChain(buffer[end]);
      at = end;
    }
  }

  /** Gives the buffers of packet `at` back to their pool. */
  releaseOne(at: number): void {
    const pool = this.owner;
    if (this.segments[at] === 1) pool.release(this.buffer, at, 1);
    else pool.releaseChain(this.buffer[at]);
  }

  /**
   * The pool of a burst that has one.
   * @throws TypeError when nobody filled it
   * @internal
   */
  get owner(): BufferPool {
    if (this.pool === undefined) throw new TypeError('a burst that nobody filled: its pool is not known');
    return this.pool;
  }

  /** Entry `to` becomes what entry `from` is. */
  move(to: number, from: number): void {
    this.buffer[to] = this.buffer[from];
    this.offset[to] = this.offset[from];
    this.length[to] = this.length[from];
    this.segments[to] = this.segments[from];
    this.offloads?.copy(to, this.offloads, from);
    if (this.vlan !== undefined) this.vlan[to] = this.vlan[from];
  }

  /**
   * Takes buffers for `count` packets of one segment and `bytes` each; the caller writes the data.
   * @param count packets, at most the burst's capacity
   * @param bytes 1 to the pool's data room
   * @returns how many there were, which is also `this.count`
   */
  allocate(pool: BufferPool, count: number, bytes: number): number {
    this.pool = pool;
    this.vlan?.fill(0, 0, count);
    this.offloads?.flags.fill(0, 0, count);
    this.offloads?.gsoType.fill(0, 0, count);
    return pool.allocBurst(this, count, bytes);
  }
}
