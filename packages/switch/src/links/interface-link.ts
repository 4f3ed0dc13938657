import { constants } from 'node:os';
import { type PacketSocket, packetFrame, packetFrameWords } from '@vio/native/internal';
import {
  HDR_GSO_NONE,
  HDR_GSO_TCPV4,
  HDR_GSO_TCPV6,
  PacketBurst,
  PacketOffloads,
  QueueStats,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
} from '@vio/net';
import { HeaderCodec, queueCounterNames } from '@vio/net/internal';
import { BufferPool, Region, poolStride } from '@vio/rings';
import { leavesWork } from '../fabric/frame-offloads.ts';
import { insertTag, setTagType } from '../fabric/frame-tag.ts';
import type { Link } from '../fabric/link.ts';
import { PoolCopiers } from '../fabric/pool-copiers.ts';
import { PlainCopies, type PlainSink } from './plain-copies.ts';
import { SleepWatch } from './sleep-watch.ts';

/** Frames of one system call. */
const slots = 32;
/** The largest packet of the kernel, 64 KiB with its Ethernet header; its tag is apart. */
const dataRoom = 65_600;
const headroom = 128;
/** What comes, what goes, and what one packet is cut into. */
const buffers = 5 * slots;
/** struct virtio_net_hdr in front of a packet socket's frames. */
const headerBytes = 10;

const received = HeaderCodec.received(
  VIRTIO_NET_F_GUEST_CSUM |
    VIRTIO_NET_F_GUEST_ECN |
    VIRTIO_NET_F_GUEST_TSO4 |
    VIRTIO_NET_F_GUEST_TSO6 |
    VIRTIO_NET_F_GUEST_USO4,
);
/** What every kernel with packet sockets takes. What is rare (datagrams to be cut, ECN) is done here. */
const sent = HeaderCodec.sent(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6);
const takes = new Set([HDR_GSO_NONE, HDR_GSO_TCPV4, HDR_GSO_TCPV6]);

const { EINVAL, EMSGSIZE, EAGAIN, EINTR, ENOBUFS } = constants.errno;

/** What is used of a packet socket. */
export type PacketParts = Pick<PacketSocket, 'fd' | 'incoming' | 'outgoing' | 'receive' | 'send'>;

/** Who wants to know what becomes of the interface. */
export interface InterfaceListener {
  /** Frames have come in while it was armed, or there is an error to be seen. */
  wake(): void;
  /** The kernel says that the interface is not what it was. Called in the middle of a burst. */
  lost(): void;
}

/**
 * An interface of this kernel, by a packet socket: whole bursts in one system call, with the offloads of the kernel. Packets have
 * memory of their own here, one buffer each.
 */
export class InterfaceLink implements Link, PlainSink {
  readonly queues = 1;
  readonly #about: Readonly<Record<string, unknown>>;
  readonly #listener: InterfaceListener;
  readonly #pool: BufferPool;
  readonly #packets: PacketParts;
  readonly #sleep: SleepWatch;
  /** Of the entries that the next frames come into. */
  readonly #slots = new Int32Array(slots);
  /** Entries that want a buffer, from the first on. */
  #used = slots;
  readonly #out = new PacketBurst(slots, { offloads: true });
  readonly #spare = new PacketOffloads(slots);
  readonly #plain: PlainCopies;
  /** By the pool that frames come from. */
  readonly #copiers: PoolCopiers;
  readonly #rx = new QueueStats();
  readonly #tx = new QueueStats();
  #closed = false;

  /**
   * @param open makes the socket over memory of this link
   * @param about what is told of the interface
   * @throws VioError of `open`
   */
  constructor(
    open: (memory: Uint8Array<ArrayBuffer>, capacity: number) => PacketParts,
    about: Readonly<Record<string, unknown>>,
    listener: InterfaceListener,
  ) {
    this.#about = about;
    this.#listener = listener;
    const memory = new ArrayBuffer(buffers * poolStride(dataRoom, headroom));
    this.#pool = new BufferPool({
      region: new Region(memory),
      offset: 0,
      count: buffers,
      dataRoom,
      headroom,
    });
    this.#copiers = new PoolCopiers(this.#pool);
    this.#plain = new PlainCopies(this.#pool, this);
    this.#packets = open(new Uint8Array(memory), slots);
    this.#sleep = new SleepWatch(this.#packets.fd, () => listener.wake());
  }

  receive(_queue: number, _pool: BufferPool, burst: PacketBurst): number {
    burst.pool = this.#pool;
    burst.count = 0;
    const ready = Math.min(this.#supply(), burst.capacity);
    const count = ready === 0 ? 0 : this.#packets.receive(ready);
    if (count < 0) {
      this.#failed(-count);
      return 0;
    }
    this.#used = count;
    for (let slot = 0; slot < count; slot++) this.#take(burst, slot);
    this.#rx.countBurst(this.#pool.region.u8, burst, 0, burst.count);
    return burst.count;
  }

  deliver(burst: PacketBurst, from: number, count: number): number {
    let lost = 0;
    for (let at = from; at < from + count;) {
      const plain = isForOthers(burst, at);
      let end = at + 1;
      while (end < from + count && isForOthers(burst, end) === plain) end++;
      lost += plain ? this.#plain.deliver(burst, at, end - at) : this.#send(burst, at, end - at);
      at = end;
    }
    return lost;
  }

  sendPlain(burst: PacketBurst): number {
    let done = 0;
    const all = burst.count;
    // As many as a call takes: what one packet is cut into may be more.
    for (let from = 0; from < all; from += slots)
      done += this.#transmit(burst, from, Math.min(slots, all - from));
    burst.release();
    return done;
  }

  arm(): boolean {
    if (this.#closed) return false;
    this.#sleep.arm();
    return false;
  }

  disarm(): void {
    this.#sleep.disarm();
  }

  /** The socket is closed by whoever made it, after this. */
  close(): void {
    this.#closed = true;
    this.disarm();
  }

  stats(): Record<string, number> {
    const dropped = ['dropped_length_packets', 'dropped_header_packets', 'dropped_oversize_packets'] as const;
    return {
      ...this.#rx.toRecord('rx_q0_', [...queueCounterNames, ...dropped]),
      ...this.#tx.toRecord('tx_q0_', [...queueCounterNames, ...dropped]),
    };
  }

  describe(): Record<string, unknown> {
    return { kind: 'interface', ...this.#about };
  }

  /** Gives the entries room that have none. @returns how many of the first ones have some */
  #supply(): number {
    const pool = this.#pool;
    const { incoming } = this.#packets;
    const given = pool.alloc(this.#slots, 0, this.#used);
    for (let slot = 0; slot < given; slot++) {
      const at = slot * packetFrameWords;
      incoming[at + packetFrame.at] = pool.dataBase + this.#slots[slot] * pool.stride - headerBytes;
      incoming[at + packetFrame.bytes] = headerBytes + dataRoom;
    }
    // All packets of before are given back before this is asked again, so there are enough.
    const ready = given < this.#used ? given : slots;
    this.#used = 0;
    return ready;
  }

  /** A frame that has come goes into the burst, or back to the pool when it makes no sense. */
  #take(burst: PacketBurst, slot: number): void {
    const pool = this.#pool;
    const { incoming } = this.#packets;
    const at = slot * packetFrameWords;
    const bytes = incoming[at + packetFrame.bytes] - headerBytes;
    const header = incoming[at + packetFrame.at];
    const i = burst.count;
    const offloads = burst.offloads ?? this.#spare;
    const whole = incoming[at + packetFrame.truncated] === 0 && bytes > 0;
    if (!whole || !received.read(pool.region.u16, header, bytes, offloads, i)) {
      this.#rx.countErrors(1, whole ? 'header' : 'length');
      pool.release(this.#slots, slot, 1);
      return;
    }
    burst.buffer[i] = this.#slots[slot];
    burst.offset[i] = header + headerBytes;
    burst.length[i] = bytes;
    burst.segments[i] = 1;
    burst.count++;
    const tag = incoming[at + packetFrame.tag];
    if (tag === -1) return;
    insertTag(burst, pool, i, tag);
    setTagType(pool.region.u8, burst.offset[i], incoming[at + packetFrame.tagType]);
  }

  #send(burst: PacketBurst, from: number, count: number): number {
    const out = this.#out;
    const copier = this.#copiers.of(burst.pool ?? this.#pool);
    const all = burst.count;
    burst.count = from + count;
    let done = 0;
    let first = from;
    while (first < from + count) {
      out.count = 0;
      const copied = copier.copy(burst, out, first);
      if (copied === 0) break;
      done += this.#transmit(out, 0, copied);
      out.release();
      first += copied;
    }
    burst.count = all;
    return count - done;
  }

  /** @param count at most a call's @returns how many packets the kernel has taken; all of them stay the caller's */
  #transmit(burst: PacketBurst, from: number, count: number): number {
    const { outgoing } = this.#packets;
    const { u8 } = this.#pool.region;
    for (let k = 0; k < count; k++) {
      const i = from + k;
      const header = burst.offset[i] - headerBytes;
      if (burst.offloads === undefined) u8.fill(0, header, header + headerBytes);
      else sent.write(u8, header, headerBytes, burst.offloads, i);
      outgoing[k * packetFrameWords + packetFrame.at] = header;
      outgoing[k * packetFrameWords + packetFrame.bytes] = headerBytes + burst.length[i];
    }
    let passed = 0;
    for (let k = 0; k < count;) {
      const n = this.#packets.send(k, count - k);
      if (n > 0) {
        this.#tx.countBurst(u8, burst, from + k, from + k + n);
        passed += n;
        k += n;
      } else if (n === -EMSGSIZE || n === -EINVAL) {
        // This one the kernel does not take; those behind it are others.
        this.#tx.countDrops(1, n === -EMSGSIZE ? 'oversize' : 'header');
        k++;
      } else {
        this.#failed(-n);
        break;
      }
    }
    return passed;
  }

  #failed(error: number): void {
    // A packet came whose offloads a virtio-net header has no words for: the kernel has dropped it.
    if (error === EINVAL) this.#rx.countErrors(1, 'header');
    else if (error !== EAGAIN && error !== EINTR && error !== ENOBUFS) this.#listener.lost();
  }
}

/** True when packet `i` leaves work to whoever gets it that the kernel does not do. */
function isForOthers(burst: PacketBurst, i: number): boolean {
  return leavesWork(burst, i) && (burst.offloads === undefined || !takes.has(burst.offloads.gsoType[i]));
}
