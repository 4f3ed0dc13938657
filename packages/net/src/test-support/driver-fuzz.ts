import { BufferPool, Region, driverQueueBytes, poolStride, ringFeatures } from '@vio/rings';
import { FuzzLog, type Fuzzed, Random } from '@vio/rings/testing';
import { headerSize } from '../header.ts';
import { HDR_F_NEEDS_CSUM } from '../offload/packet-offloads.ts';
import { PacketBurst } from '../packet-burst.ts';
import { electPaths } from '../paths.ts';
import * as net from '../feature-bits.ts';
import { HostileDevice, type Setup, randomSetup } from './hostile-device.ts';
import { type QueuePair, createQueuePair } from '../queue/queue-pair.ts';

const dataRoom = 512;
const headroom = 64;
const mostBuffers = 128;
const poolAt = 0x4000;
/** Bytes around the region, which nobody may write. */
const border = 4096;
const regionBytes = poolAt + mostBuffers * poolStride(dataRoom, headroom);
const cleanBorder = new Uint8Array(border).fill(0x5a);
const burstSize = 32;
const stepsPerSetup = 80;
/** More buffers than a packet can have. */
const mostSegments = 200;

/** What an application does after it has received. */
interface Step {
  /** Packets that are sent on. */
  readonly forward: number;
  /** By packet, one bit: its checksum is left to the device; it gets a tag. */
  readonly checksums: number;
  readonly tags: number;
  readonly tag: number;
  readonly reap: boolean;
  readonly arm: boolean;
}

/**
 * Lets hostile devices play with queue pairs of every path: nothing may throw, be written outside the region, be handed
 * out twice or get lost; packets must be what their buffers say; and a pair with kernels must do what one in TypeScript does.
 * @param states how often a device acts, and an application after it
 */
export function fuzzDriver(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  const memories = [0, 1].map(() => new Uint8Array(2 * border + regionBytes).fill(0x5a));
  while (log.open) {
    const setup = randomSetup(random);
    const kinds = setup.compares ? [true, false] : [setup.native];
    const sides = kinds.map((native, i) => new Side(setup, native, memories[i].buffer));
    const [first] = sides;
    log.saw(setup.compares ? 'compared' : setup.native ? 'native' : 'TypeScript');
    log.saw(first.pair.rx.queue.format);
    const regions = sides.map(({ region }) => region);
    const device = new HostileDevice(random, regions, setup);
    for (let i = 0; i < stepsPerSetup && log.open && first.fault === undefined; i++) {
      log.state(() => {
        const receives = random.chance(0.6);
        device.use((receives ? first.pair.rx : first.pair.tx).queue, receives);
        device.scribble(first.pool);
        const step = randomStep(random);
        const wrong = sides.map((side) => side.run(step)).find((each) => each !== undefined);
        return describe(wrong ?? differences(sides), setup);
      });
    }
    if (first.fault !== undefined) log.saw(first.fault);
    log.saw('received', first.received);
    log.saw('sent', first.sent);
    const left = sides.map((side) => side.end()).find((each) => each !== undefined);
    if (left !== undefined) log.found(describe(left, setup) ?? '');
  }
  return log.result();
}

function describe(wrong: string | undefined, { features, ...rest }: Setup): string | undefined {
  return wrong === undefined
    ? undefined
    : `${wrong} ${net.featureNames(features).join()} ${JSON.stringify(rest)}`;
}

function differences([one, other]: readonly Side[]): string | undefined {
  if (other === undefined) return undefined;
  return one.digest === other.digest ? undefined : `native ${one.digest}, TypeScript ${other.digest}`;
}

function randomStep(random: Random): Step {
  return {
    // Kernels put four at a time on a ring.
    forward: random.below(14),
    checksums: random.chance(0.5) ? 0 : random.below(0x4000),
    tags: random.below(20),
    tag: 0x1_0000 | random.below(0x1_0000),
    reap: random.chance(0.2),
    arm: random.chance(0.1),
  };
}

/** A queue pair and its application. */
class Side {
  readonly region: Region;
  readonly pool: BufferPool;
  readonly pair: QueuePair;
  received = 0;
  sent = 0;
  /** All that can be told of the last step. */
  digest = '';
  readonly #memory: ArrayBuffer;
  readonly #burst = newBurst(burstSize);
  /** All packets of a step. */
  readonly #all = newBurst(mostBuffers);
  /** A kernel leaves what is wrong to the next call: what both have received is compared in the end. */
  readonly #drains: boolean;
  readonly #header: number;
  readonly #out = newBurst(burstSize);

  constructor(setup: Setup, native: boolean, memory: ArrayBuffer) {
    const { features, size, buffers, rules } = setup;
    this.#drains = setup.compares;
    this.#header = headerSize(features);
    this.#memory = memory;
    this.region = new Region(memory, border, regionBytes);
    this.region.u8.fill(0);
    const pool = { offset: poolAt, count: buffers, dataRoom, headroom };
    this.pool = new BufferPool({ region: this.region, ...pool });
    const checksum = (features & net.VIRTIO_NET_F_GUEST_CSUM) !== 0n;
    const hash = (features & net.VIRTIO_NET_F_HASH_REPORT) !== 0n;
    this.pair = createQueuePair({
      features,
      region: this.region,
      pool: this.pool,
      size,
      rxOffset: 0,
      txOffset: Math.ceil(driverQueueBytes(ringFeatures(features), size) / 4096) * 4096,
      rxKick: { signal: () => {} },
      txKick: { signal: () => {} },
      paths: electPaths({
        features,
        vectorized: false,
        // One in two, where nothing speaks against it.
        txqFlags: buffers % 2 === 0 ? 0xf01 : 0,
        offloads: { checksum, lro: checksum, hash, transmit: (features & net.VIRTIO_NET_F_CSUM) !== 0n },
      }),
      rules,
      native,
      // Between two calls nothing is given to the device: an id that it uses twice would be one that it has.
      freeThreshold: this.#drains ? size + 1 : undefined,
      onBroken: () => {},
    });
    this.pool.supply(this.pair.rx.queue, size, this.#header);
  }

  get fault(): string | undefined {
    return (this.pair.rx.broken ?? this.pair.tx.queue.broken)?.code;
  }

  /** @returns what is wrong, or undefined */
  run(step: Step): string | undefined {
    const { rx, tx } = this.pair;
    const packets: string[] = [];
    const seen = new Set<number>();
    let wrong: string | undefined;
    const burst = this.#burst;
    const all = this.#all;
    all.count = 0;
    for (let empty = 0, before = -1; empty < 2;) {
      const n = rx.receive(burst);
      if (n !== burst.count || n > burstSize) return `${n} packets of ${burst.count}`;
      // A burst that is parts of a packet, or was dropped, is none, and yet there may be more.
      const moved = n > 0 || rx.queue.outstanding !== before;
      before = rx.queue.outstanding;
      empty = this.#drains && moved ? 0 : empty + (this.#drains ? 1 : 2);
      for (let i = 0; i < n; i++) {
        packets.push(`${burst.length[i]}/${burst.segments[i]}`);
        wrong ??= this.#checkBuffers(burst, i, seen) ?? this.#checkOffloads(burst, i);
        append(all, burst, i);
      }
    }
    this.received += packets.length;
    const sent = this.#forward(step, all);
    if (step.reap || this.#drains) tx.reap();
    if (this.#drains) {
      this.#sortPool();
      this.pool.supply(rx.queue, rx.queue.free, this.#header);
    }
    const kick = rx.queue.kickNeeded();
    const armed = step.arm && rx.armInterrupt();
    if (step.arm) rx.disarmInterrupt();
    const queues = [rx.queue, tx.queue].map((queue) => [queue.base(), queue.free, queue.outstanding]);
    const stats = [rx.stats.get('errors'), rx.stats.get('good_bytes'), tx.stats.get('good_bytes')];
    // Of a queue that cannot go on, how many buffers it had taken until then depends on the bursts.
    const waiting = this.fault === undefined && armed;
    this.digest = [...packets, sent, kick, waiting, ...queues, ...stats, this.fault].join(' ');
    return wrong;
  }

  /** The device is gone. @returns what is wrong, or undefined */
  end(): string | undefined {
    const { rx, tx } = this.pair;
    const { pool } = this;
    rx.reclaim();
    tx.reclaim();
    if (pool.free !== pool.count) return `${pool.free} of ${pool.count} buffers are left`;
    const all = new Int32Array(pool.count);
    pool.alloc(all, 0, pool.count);
    if (new Set(all).size !== pool.count) return 'the pool has a buffer twice';
    const borders = [0, border + regionBytes].map((at) => new Uint8Array(this.#memory, at, border));
    const clean = borders.every((bytes) => Buffer.compare(bytes, cleanBorder) === 0);
    return clean ? undefined : 'memory outside the region was written';
  }

  /**
   * What was dropped for its header and what for its length come back in an order that depends on the bursts; and a packet that
   * the ring had no room for has a header, or not: a device that writes none would pass that on.
   */
  #sortPool(): void {
    const free = new Int32Array(this.pool.free);
    this.pool.alloc(free, 0, free.length);
    for (const b of free) {
      const data = this.pool.dataBase + b * this.pool.stride;
      this.region.u8.fill(0, data - this.#header, data);
    }
    this.pool.release(free.toSorted(), 0, free.length);
  }

  #forward(step: Step, burst: PacketBurst): number {
    const out = this.#out;
    const count = Math.min(burst.count, step.forward);
    out.count = 0;
    for (let i = 0; i < count; i++) {
      append(out, burst, i);
      if (((step.checksums >>> i) & 1) !== 0 && out.offloads !== undefined) {
        out.offloads.flags[i] |= HDR_F_NEEDS_CSUM;
      }
      if (out.vlan !== undefined) out.vlan[i] = ((step.tags >>> i) & 1) === 0 ? 0 : step.tag;
    }
    burst.release(count);
    this.pair.tx.prepare(out);
    const taken = this.pair.tx.send(out);
    out.release(taken);
    this.sent += taken;
    return taken;
  }

  #checkBuffers(burst: PacketBurst, i: number, seen: Set<number>): string | undefined {
    const { buffer, offset, length, segments } = burst;
    const { pool } = this;
    let bytes = segments[i] === 1 ? length[i] : 0;
    let count = 0;
    for (let b = buffer[i]; b !== -1 && count < mostSegments; b = segments[i] === 1 ? -1 : pool.next[b]) {
      if (b < 0 || b >= pool.capacity || seen.has(b)) return `buffer ${b} is none, or comes twice`;
      seen.add(b);
      count++;
      if (segments[i] !== 1) bytes += pool.dataLength[b];
      const begin = segments[i] === 1 ? offset[i] : pool.dataOffset[b];
      const end = begin + (segments[i] === 1 ? length[i] : pool.dataLength[b]);
      const data = pool.dataBase + b * pool.stride;
      if (begin < data - headroom || end > data + dataRoom) return `bytes ${begin} to ${end} of buffer ${b}`;
    }
    if (length[i] < 1 || bytes !== length[i] || count !== segments[i]) {
      return `a packet of ${length[i]} bytes and ${segments[i]} segments has ${bytes} and ${count}`;
    }
    return undefined;
  }

  #checkOffloads({ length, offloads }: PacketBurst, i: number): string | undefined {
    if (offloads === undefined) return undefined;
    const { flags, gsoType, segmentSize, headerLength, checksumStart, checksumOffset } = offloads;
    const checksum = checksumStart[i] + checksumOffset[i] + 2;
    if ((flags[i] & HDR_F_NEEDS_CSUM) !== 0 && checksum > length[i]) {
      return `a checksum that ends at ${checksum} of ${length[i]}`;
    }
    if (gsoType[i] !== 0 && segmentSize[i] === 0) return 'segments of no bytes';
    return headerLength[i] > length[i] ? `${headerLength[i]} bytes of headers in ${length[i]}` : undefined;
  }
}

function newBurst(capacity: number): PacketBurst {
  return new PacketBurst(capacity, { offloads: true, vlan: true });
}

function append(to: PacketBurst, from: PacketBurst, i: number): void {
  const at = to.count++;
  to.pool = from.pool;
  to.buffer[at] = from.buffer[i];
  to.offset[at] = from.offset[i];
  to.length[at] = from.length[i];
  to.segments[at] = from.segments[i];
  if (from.offloads !== undefined) to.offloads?.copy(at, from.offloads, i);
}
