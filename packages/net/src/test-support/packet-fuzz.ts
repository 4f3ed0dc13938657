import { BufferPool, Region } from '@vio/rings';
import { FuzzLog, type Fuzzed, Random } from '@vio/rings/testing';
import { completeChecksum } from '../offload/checksum.ts';
import { HeaderCodec } from '../offload/header-codec.ts';
import { HDR_F_NEEDS_CSUM } from '../offload/packet-offloads.ts';
import { prepareOffloads } from '../offload/prepare.ts';
import { PacketBurst } from '../packet-burst.ts';
import { supportedHashTypes } from '../rss/hash-types.ts';
import { PacketFlow } from '../rss/packet-flow.ts';
import { PacketHasher } from '../rss/packet-hasher.ts';
import { insertTag, stripTags, tagBytes } from '../frames/vlan.ts';
import { everyFeature } from './control-pair.ts';

const headerBytes = 12;
const buffers = 16;
/** Bytes of a frame's second buffer, where it has one. */
const secondBytes = 100;
/** Around the ends of headers. */
const lengths = [1, 2, 6, 12, 13, 14, 15, 17, 18, 20, 22, 33, 34, 38, 54, 60, 66, 74, 100, 1514];
const telling = [
  0, 1, 6, 17, 43, 44, 51, 60, 0x45, 0x46, 0x4f, 0x40, 0x60, 0x81, 0x88, 0xa8, 0x86, 0xdd, 8, 20, 40,
];
const gsoTypes = [0, 1, 4, 5, 0x81, 0x84, 3, 0xff];

/** Frames that lie: whatever is read of them lies in them, and whatever is changed is where it should be. */
export function fuzzPackets(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const packets = new HostilePackets(new Random(seed), log);
  while (log.open) log.state(() => packets.run());
  return log.result();
}

class HostilePackets {
  readonly #random: Random;
  readonly #log: FuzzLog;
  readonly #pool: BufferPool;
  readonly #burst = new PacketBurst(1, { offloads: true, vlan: true });
  readonly #flow = new PacketFlow();
  readonly #received = HeaderCodec.received(everyFeature);
  readonly #sent = HeaderCodec.sent(everyFeature);
  readonly #hasher = new PacketHasher({ hashTypes: supportedHashTypes, key: new Uint8Array(40).fill(0x6d) });
  readonly #before: Uint8Array;

  constructor(random: Random, log: FuzzLog) {
    this.#random = random;
    this.#log = log;
    const region = new Region(new ArrayBuffer(0x8000));
    this.#pool = new BufferPool({ region, offset: 0, count: buffers, dataRoom: 1536, headroom: 128 });
    this.#before = new Uint8Array(this.#pool.stride);
  }

  run(): string | undefined {
    const random = this.#random;
    const burst = this.#burst;
    const { u8, u16 } = this.#pool.region;
    this.#make();
    const [at, length] = [burst.offset[0], burst.length[0]];
    const first = this.#firstBytes;
    this.#hasher.hash(u8, at, first);
    tagBytes(u8, at, first);
    const wrong =
      this.#checkFlow(at, at + first) ??
      (this.#received.read(u16, at - headerBytes, length, burst.offloads ?? never(), 0)
        ? this.#checkOffloads('received')
        : undefined) ??
      (random.chance(0.7) ? this.#prepare() : undefined) ??
      this.#tags();
    completeChecksum(u8.subarray(at, at + first), random.below(0x1_0000), random.below(40));
    burst.release();
    return wrong ?? (this.#pool.free === buffers ? undefined : 'a buffer is lost');
  }

  get #firstBytes(): number {
    const { segments, length, buffer } = this.#burst;
    return segments[0] === 1 ? length[0] : this.#pool.dataLength[buffer[0]];
  }

  #make(): void {
    const random = this.#random;
    const burst = this.#burst;
    const pool = this.#pool;
    const { u8 } = pool.region;
    const bytes = random.pick(lengths);
    const segments = random.chance(0.2) ? 2 : 1;
    const held = new Int32Array(segments);
    pool.alloc(held, 0, segments);
    burst.count = 1;
    burst.pool = pool;
    burst.buffer[0] = held[0];
    burst.segments[0] = segments;
    burst.length[0] = bytes + (segments - 1) * secondBytes;
    for (const [k, b] of held.entries()) {
      pool.dataOffset[b] = pool.dataBase + b * pool.stride;
      pool.dataLength[b] = k === 0 ? bytes : secondBytes;
      pool.next[b] = held[k + 1] ?? -1;
    }
    const at = pool.dataOffset[held[0]];
    burst.offset[0] = at;
    for (let i = -20; i < Math.min(bytes, 120); i++) {
      u8[at + i] = random.chance(0.3) ? random.u32() : random.pick(telling);
    }
    this.#type(at + 12, random.pick([0x0800, 0x86dd, 0x8100, 0x88a8, 0]), 0, bytes);
  }

  /** An Ethernet type, tags before it, and what it promises, as far as there is room. */
  #type(at: number, type: number, tags: number, bytes: number): void {
    const random = this.#random;
    const { u8 } = this.#pool.region;
    const put = (place: number, value: number): void => {
      u8[place] = value >>> 8;
      u8[place + 1] = value;
    };
    const left = bytes - 14 - 4 * tags;
    if (left < 0) return;
    put(at, type);
    if (type === 0x8100 || type === 0x88a8) {
      this.#type(at + 4, random.pick([0x0800, 0x86dd, 0x8100, 0]), tags + 1, bytes);
    } else if (type === 0x0800 && left >= 20) {
      u8[at + 2] = random.chance(0.9) ? 0x45 : random.u32();
      put(at + 4, random.chance(0.8) ? left : random.below(100));
      if (random.chance(0.9)) put(at + 8, 0x4000);
      u8[at + 11] = random.pick([6, 17, 1]);
      if (left >= 33) u8[at + 34] = random.chance(0.8) ? 0x50 : random.u32();
    } else if (type === 0x86dd && left >= 40) {
      u8[at + 2] = random.chance(0.95) ? 0x60 : random.u32();
      put(at + 6, random.chance(0.8) ? left - 40 : random.below(100));
      u8[at + 8] = random.pick([6, 17, 0, 43, 44, 60]);
    }
  }

  #checkFlow(at: number, end: number): string | undefined {
    const flow = this.#flow;
    flow.read(this.#pool.region.u8, at, end - at);
    if (flow.version === 0) return undefined;
    const addressBytes = flow.version === 4 ? 8 : 32;
    if (flow.addressAt < at || flow.addressAt + addressBytes > end) return 'addresses outside the packet';
    if (flow.ipAt < at + 14 || flow.ipAt > flow.addressAt) return 'an IP header outside the packet';
    if (flow.portsAt !== -1 && (flow.portsAt < flow.addressAt || flow.portsAt + 4 > end))
      return 'ports outside';
    return undefined;
  }

  #checkOffloads(what: string): string | undefined {
    const { length, offloads } = this.#burst;
    if (offloads === undefined) return undefined;
    const end = offloads.checksumStart[0] + offloads.checksumOffset[0] + 2;
    if ((offloads.flags[0] & HDR_F_NEEDS_CSUM) !== 0 && end > length[0]) return `${what}: a checksum outside`;
    return offloads.headerLength[0] > length[0]
      ? `${what}: headers of ${offloads.headerLength[0]}`
      : undefined;
  }

  #prepare(): string | undefined {
    const random = this.#random;
    const burst = this.#burst;
    const { offloads } = burst;
    const { u8 } = this.#pool.region;
    if (offloads === undefined) return undefined;
    offloads.clear(0);
    offloads.flags[0] = HDR_F_NEEDS_CSUM;
    offloads.gsoType[0] = random.chance(0.5) ? 0 : random.pick(gsoTypes);
    offloads.segmentSize[0] = random.below(3000);
    const at = burst.offset[0];
    const before = this.#before;
    before.set(u8.subarray(at - 128, at - 128 + before.length));
    const readied = prepareOffloads(this.#pool, burst) === 1;
    this.#log.saw(readied ? (offloads.gsoType[0] === 0 ? 'readied' : 'readied to be cut') : 'stopped');
    const [start, stored] = [
      offloads.checksumStart[0],
      offloads.checksumStart[0] + offloads.checksumOffset[0],
    ];
    for (let i = 0; i < before.length; i++) {
      if (before[i] === u8[at - 128 + i]) continue;
      const place = i - 128;
      const checksum = place >= stored && place < stored + 2;
      const ipv4 = offloads.gsoType[0] !== 0 && place >= 14 && place < start;
      if (!readied || (!checksum && !ipv4)) return `byte ${place} was changed`;
    }
    if (readied) this.#sent.write(u8, at - headerBytes, headerBytes, offloads, 0);
    return readied ? this.#checkOffloads('readied') : undefined;
  }

  /** A tag that comes off goes in again: the frame, and what is said of it, is as it was. */
  #tags(): string | undefined {
    const burst = this.#burst;
    const pool = this.#pool;
    const { u8 } = pool.region;
    const { vlan, offloads } = burst;
    if (vlan === undefined || offloads === undefined) return undefined;
    const [at, length, first] = [burst.offset[0], burst.length[0], this.#firstBytes];
    const before = u8.slice(at, at + first);
    const start = offloads.checksumStart[0];
    stripTags(pool, burst, vlan, 1);
    if (vlan[0] === 0) return burst.length[0] === length ? undefined : 'a frame without a tag was cut';
    this.#log.saw('stripped');
    const wrong = this.#checkOffloads('stripped');
    if (wrong !== undefined || burst.length[0] !== length - 4) return wrong ?? 'it is not shorter by a tag';
    if (!insertTag(pool, burst, vlan, 0, headerBytes)) return 'the tag does not go in again';
    if (burst.length[0] !== length || burst.offset[0] !== at) return 'it is not where it was';
    if ((offloads.flags[0] & HDR_F_NEEDS_CSUM) !== 0 && offloads.checksumStart[0] !== start)
      return 'its checksum moved';
    return Buffer.compare(before, u8.subarray(at, at + first)) === 0 ? undefined : 'it is not what it was';
  }
}

function never(): never {
  throw new TypeError('the burst was made with offloads');
}
