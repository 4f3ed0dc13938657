import { checkOptions } from '@vio/native/internal';
import {
  HASH_REPORT_NONE,
  type HashConfig,
  PacketBurst,
  PacketHasher,
  VIRTIO_NET_F_HASH_REPORT,
  VIRTIO_NET_F_RSS,
} from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { VhostDevice } from '../device/vhost-device.ts';
import { FlowHash } from './flow-hash.ts';
import { FlowTable } from './flow-table.ts';
import { ReceiveFilter } from './receive-filter.ts';

/** What steering needs of a device. */
export type SteeredDevice = Pick<VhostDevice, 'settings' | 'features' | 'pairsInUse' | 'enqueueBurst'>;

/** How much steering remembers. */
export interface SteeringOptions {
  /** Flows that are remembered, a power of two. Default 4096. */
  readonly flows?: number;
}

/** An answer of `queueFor`: the driver does not want the packet. */
export const unwanted = -1;

const defaultFlows = 4096;
const laneCapacity = 64;
/** A frame has at least its addresses. */
const leastBytes = 12;

/**
 * Finds the receive queue of a driver that a packet belongs to. Automatic receive steering (virtio 1.4, section 5.1.9.5.6):
 * a flow that the driver sends on transmit queue X comes back on receive queue X, as far as it is remembered; others are
 * spread by a hash. With receive-side scaling the driver's key and table decide (5.1.9.5.7). What the driver does not want
 * is kept back (5.1.9.5.1). Follows the driver's settings as they change; allocates nothing for a packet.
 */
export class ReceiveSteering {
  /** Packets that `deliver` kept back because the driver does not want them. */
  filtered = 0;
  readonly #device: SteeredDevice;
  readonly #flows: FlowTable;
  readonly #hash = new FlowHash();
  /** By queue pair: packets of a burst that go there. */
  readonly #lanes: PacketBurst[] = [];
  #version = -1;
  #features = 0n;
  #pairs = 1;
  #filter: ReceiveFilter;
  /** Receive-side scaling, if the driver wants it: the hash, and the pair for its low bits. */
  #hasher: PacketHasher | undefined;
  /** Whose hashes are reported to the driver; undefined: none are. */
  #reported: PacketHasher | undefined;
  #table = new Uint16Array(1);
  #unclassified = 0;

  /** @throws VioError VIO_OPTION_UNKNOWN */
  constructor(device: SteeredDevice, options: SteeringOptions = {}) {
    checkOptions('ReceiveSteering', options, { flows: true });
    const { flows = defaultFlows } = options;
    this.#device = device;
    this.#flows = new FlowTable(flows);
    this.#filter = new ReceiveFilter(0n, device.settings);
  }

  /** Notes the flows of a burst that the driver sent on a queue pair. @param pair the ring it came from is `2 * pair + 1` */
  learn(pair: number, burst: PacketBurst): void {
    const { pool, offset, count } = burst;
    if (pool === undefined) return;
    this.#follow();
    // With one pair there is nothing to choose, with a table the driver chooses.
    if (this.#pairs === 1 || this.#hasher !== undefined) return;
    const { u8 } = pool.region;
    for (let i = 0; i < count; i++) {
      this.#flows.set(this.#hash.of(u8, offset[i], firstBytes(pool, burst, i)), pair);
    }
  }

  /**
   * The ring for the frame of `bytes` bytes at `at`, or `unwanted`. Headers beyond `bytes` do not count.
   */
  queueFor(u8: Uint8Array, at: number, bytes: number): number {
    this.#follow();
    return this.#choose(u8, at, bytes);
  }

  /**
   * Delivers packets `from` to `from + count - 1` of a burst to the receive queues they belong to, in order in each of them. The packets stay the caller's.
   * @returns how many were delivered; the others the driver does not want (`filtered`), or had no buffer for
   */
  deliver(burst: PacketBurst, from = 0, count = burst.count - from): number {
    const { pool, offset } = burst;
    if (pool === undefined) return 0;
    this.#follow();
    const { u8 } = pool.region;
    const end = from + count;
    let delivered = 0;
    for (let i = from; i < end; i++) {
      const ring = this.#choose(u8, offset[i], firstBytes(pool, burst, i));
      if (ring === unwanted) {
        this.filtered++;
        continue;
      }
      const lane = this.#lane(ring >>> 1);
      const to = lane.count++;
      lane.buffer[to] = burst.buffer[i];
      lane.offset[to] = offset[i];
      lane.length[to] = burst.length[i];
      lane.segments[to] = burst.segments[i];
      if (burst.offloads === undefined) lane.offloads?.clear(to);
      else lane.offloads?.copy(to, burst.offloads, i);
      this.#report(lane, to, u8, offset[i], firstBytes(pool, burst, i));
      if (lane.count === laneCapacity) delivered += this.#flush(ring >>> 1, pool);
    }
    for (let pair = 0; pair < this.#lanes.length; pair++) {
      if (this.#lanes[pair].count > 0) delivered += this.#flush(pair, pool);
    }
    return delivered;
  }

  /** Notes the hash of a packet for a driver that has asked for it. */
  #report({ offloads }: PacketBurst, to: number, u8: Uint8Array, at: number, bytes: number): void {
    const hasher = this.#reported;
    if (hasher === undefined || offloads === undefined) return;
    // The one that has chosen the queue has done it already.
    if (hasher !== this.#hasher) hasher.hash(u8, at, bytes);
    offloads.hash[to] = hasher.value;
    offloads.hashReport[to] = hasher.report;
  }

  #flush(pair: number, pool: BufferPool): number {
    const lane = this.#lanes[pair];
    lane.pool = pool;
    const n = this.#device.enqueueBurst(2 * pair, lane, 0, lane.count);
    lane.count = 0;
    return n;
  }

  #lane(pair: number): PacketBurst {
    while (this.#lanes.length <= pair) this.#lanes.push(new PacketBurst(laneCapacity, { offloads: true }));
    return this.#lanes[pair];
  }

  #choose(u8: Uint8Array, at: number, bytes: number): number {
    if (bytes < leastBytes) return unwanted;
    const hasher = this.#hasher;
    if (hasher !== undefined) {
      const hashed = hasher.hash(u8, at, bytes);
      if (!this.#filter.accepts(u8, at, hasher.vlan)) return unwanted;
      return 2 * (hashed ? this.#table[hasher.value & (this.#table.length - 1)] : this.#unclassified);
    }
    if (this.#pairs === 1 && this.#filter.open) return 0;
    const hash = this.#hash.of(u8, at, bytes);
    if (!this.#filter.accepts(u8, at, this.#hash.vlan)) return unwanted;
    const known = this.#flows.get(hash);
    return 2 * (known >= 0 && known < this.#pairs ? known : (hash >>> 16) % this.#pairs);
  }

  /** With RSS negotiated its configuration is that of the reports, too (5.1.9.4.3). */
  #reporter(features: bigint, hash: HashConfig | undefined): PacketHasher | undefined {
    for (const lane of this.#lanes) lane.offloads?.hashReport.fill(HASH_REPORT_NONE);
    if ((features & VIRTIO_NET_F_HASH_REPORT) === 0n) return undefined;
    if ((features & VIRTIO_NET_F_RSS) !== 0n) return this.#hasher;
    return hash === undefined ? undefined : new PacketHasher(hash);
  }

  /** Takes over what the driver has asked for since. */
  #follow(): void {
    const { settings, features } = this.#device;
    if (settings.version === this.#version && features === this.#features) return;
    this.#version = settings.version;
    this.#features = features;
    this.#pairs = this.#device.pairsInUse;
    this.#filter = new ReceiveFilter(features, settings);
    const { rss } = settings;
    this.#hasher = rss === undefined ? undefined : new PacketHasher(rss);
    this.#reported = this.#reporter(features, settings.hash);
    if (rss === undefined) return;
    this.#table = Uint16Array.from(rss.table);
    this.#unclassified = rss.unclassified;
  }
}

/** Bytes of packet `i` that are in one piece, from its beginning on. */
function firstBytes(pool: BufferPool, { segments, length, buffer }: PacketBurst, i: number): number {
  return segments[i] === 1 ? length[i] : pool.dataLength[buffer[i]];
}
