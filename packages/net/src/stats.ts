import { heldArray, queueCounter } from '@vio/native/internal';
import type { Burst } from '@vio/rings';
import { isBroadcast } from './frames/mac-address.ts';

/** Names of DPDK's xstats of a receive queue, in its order (without the `rx_q0_` in front). */
export const queueCounterNames = [
  'good_packets',
  'good_bytes',
  'errors',
  'multicast_packets',
  'broadcast_packets',
  'undersize_packets',
  'size_64_packets',
  'size_65_127_packets',
  'size_128_255_packets',
  'size_256_511_packets',
  'size_512_1023_packets',
  'size_1024_1518_packets',
  'size_1519_max_packets',
] as const;

/** Name of a counter that DPDK has too. */
export type QueueCounterName = (typeof queueCounterNames)[number];

/** Those of a transmit queue: nothing it sends can be malformed. */
export const txCounterNames = queueCounterNames.filter((name) => name !== 'errors');

/**
 * What DPDK does not count. `dropped_*` are packets, with the reason: a length no buffer has, a virtio-net header that
 * makes no sense, a frame over the MTU, no room in front of the data for a VLAN tag, more than the buffers of the other side
 * or the whole ring hold, what came while the queue was stopped, or a backend's ring disabled. `lost` are packets that were on the ring when
 * the device went away.
 */
export const queueEventNames = [
  'kicks',
  'calls',
  'empty_polls',
  'starved_refills',
  'full_rings',
  'lost_packets',
  'dropped_length_packets',
  'dropped_header_packets',
  'dropped_oversize_packets',
  'dropped_headroom_packets',
  'dropped_no_room_packets',
  'dropped_stopped_packets',
] as const;

/** Name of a counter that DPDK does not have. */
export type QueueEventName = (typeof queueEventNames)[number];

/** Those of a port's receive queue: kicks go to the device, calls come from it. */
export const rxEventNames: readonly QueueEventName[] = [
  'kicks',
  'calls',
  'empty_polls',
  'starved_refills',
  'dropped_length_packets',
  'dropped_header_packets',
  'dropped_oversize_packets',
  'dropped_stopped_packets',
];

/** Those of a port's transmit queue. */
export const txEventNames: readonly QueueEventName[] = [
  'kicks',
  'full_rings',
  'lost_packets',
  'dropped_oversize_packets',
  'dropped_headroom_packets',
  'dropped_no_room_packets',
];

/** Why a packet was dropped, as in `dropped_<reason>_packets`. */
export type DropReason = 'length' | 'header' | 'oversize' | 'headroom' | 'no_room' | 'stopped';

const { goodPackets, goodBytes, errors, multicast, broadcast, undersize, size1024, size1519 } = queueCounter;

const kicks = 0;
const calls = 1;
const emptyPolls = 2;
const starvedRefills = 3;
const fullRings = 4;
const lostPackets = 5;
const drops: Readonly<Record<DropReason, number>> = {
  length: 6,
  header: 7,
  oversize: 8,
  headroom: 9,
  no_room: 10,
  stopped: 11,
};

/**
 * Counters of one queue. Sizes are frame bytes without CRC, as DPDK counts them. They belong to the queue, not to its
 * ring: they go on when the ring is built anew.
 */
export class QueueStats {
  /** One for each of `queueCounterNames`; a kernel counts here as well. */
  readonly counters = heldArray(Float64Array, queueCounterNames.length);
  readonly #events = new Float64Array(queueEventNames.length);
  /** Packets of the size seen last are only counted; what that means to the counters is worked out when it changes. */
  #size = 0;
  #run = 0;
  /** Whether frames for groups and for all are counted as such. */
  readonly groups: boolean;

  /**
   * @param groups false: frames for groups and for all are not counted as such, which takes a look at each. Counting is what moves the
   * first line of a frame that is only passed on, and the device waits for it when it writes there again.
   */
  constructor(groups = true) {
    this.groups = groups;
  }

  /** Counts packets `from` to `end - 1` of a burst. */
  countBurst(u8: Uint8Array, burst: Burst, from: number, end: number): void {
    const { offset, length } = burst;
    for (let i = from; i < end; i++) this.count(u8, offset[i], length[i]);
    this.settle();
  }

  /**
   * Counts one packet: number, bytes, size class, and where it is addressed to. For the loop of a queue that looks at
   * every packet anyway; `settle` ends it.
   */
  count(u8: Uint8Array, offset: number, bytes: number): void {
    if (bytes !== this.#size) this.#newRun(bytes);
    this.#run++;
    if (this.groups && (u8[offset] & 1) !== 0)
      this.counters[isBroadcast(u8, offset) ? broadcast : multicast]++;
  }

  /** Makes the counters include all that was counted. */
  settle(): void {
    const size = this.#size;
    const run = this.#run;
    if (run === 0) return;
    this.#run = 0;
    const counters = this.counters;
    counters[goodPackets] += run;
    counters[goodBytes] += run * size;
    counters[sizeClass(size)] += run;
  }

  /** Counts packets that were received and dropped because they were malformed. */
  countErrors(packets: number, reason: DropReason): void {
    this.counters[errors] += packets;
    this.countDrops(packets, reason);
  }

  /** Counts packets that were dropped although nothing was wrong with the ring. */
  countDrops(packets: number, reason: DropReason): void {
    this.#events[drops[reason]] += packets;
  }

  /** Lets all counters begin at 0 again. */
  reset(): void {
    this.#run = 0;
    this.counters.fill(0);
    this.#events.fill(0);
  }

  /** Counts a notification of the device. */
  countKick(): void {
    this.#events[kicks]++;
  }

  /** Counts an interrupt of the device. */
  countCall(): void {
    this.#events[calls]++;
  }

  /** A poll that found nothing. */
  countEmptyPoll(): void {
    this.#events[emptyPolls]++;
  }

  /** A receive ring had room, and the pool no buffer for it. */
  countStarvedRefill(): void {
    this.#events[starvedRefills]++;
  }

  /** A burst found no room, or not enough of it. */
  countFullRing(): void {
    this.#events[fullRings]++;
  }

  /** Counts packets that were given up because the device went away. */
  countLost(packets: number): void {
    this.#events[lostPackets] += packets;
  }

  /** The value of one counter. */
  get(name: QueueCounterName | QueueEventName): number {
    const event = eventIndex.get(name);
    return event === undefined ? this.counters[counterIndex.get(name) ?? 0] : this.#events[event];
  }

  /** The counters of these names as `<prefix><name>`. */
  toRecord(
    prefix: string,
    names: readonly (QueueCounterName | QueueEventName)[] = queueCounterNames,
  ): Record<string, number> {
    return Object.fromEntries(names.map((name) => [prefix + name, this.get(name)]));
  }

  #newRun(size: number): void {
    this.settle();
    this.#size = size;
  }
}

const counterIndex = new Map<string, number>(queueCounterNames.map((name, i) => [name, i]));
const eventIndex = new Map<string, number>(queueEventNames.map((name, i) => [name, i]));

/** @returns index of the counter a frame of this size belongs to */
function sizeClass(size: number): number {
  if (size < 64) return undersize;
  // 64 has a class of its own; 65 to 1023 go by the position of the highest bit.
  if (size === 64) return undersize + 1;
  if (size < 1024) return undersize + 27 - Math.clz32(size);
  return size < 1519 ? size1024 : size1519;
}
