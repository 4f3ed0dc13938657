import { VioError } from '@vio/native';
import { ChainBurst } from '../device/chain-burst.ts';
import type { DeviceQueue } from '../device/device-queue.ts';
import type { RingFormat } from '../format.ts';
import { MemoryMap } from '../memory/memory-map.ts';
import { Region } from '../memory/region.ts';
import { FuzzLog, type Fuzzed } from '../testing/fuzz-log.ts';
import { Random } from '../testing/random.ts';
import {
  currentVersion,
  descNum,
  inflightBytes,
  packedRegion,
  packedState,
  splitRegion,
  splitState,
  version,
} from '../inflight/inflight-layout.ts';
import { createTrackedDeviceQueue } from '../inflight/tracked-device.ts';

const guest = 0x1_0000;
const memoryBytes = 0x1_0000;
const bufferAt = 0x2000;
/** Parts of the ring, in bytes. */
const at = { descriptors: 0, driver: 2048, device: 4096 } as const;
const mostSize = 16;
/** Bytes in front of the notes and behind them, which nobody may write. */
const border = 4096;
const most16 = 0xffff;

/**
 * Gives device queues notes of a predecessor that nobody may have written, over rings that are no better, and changes the
 * notes while they are in use. Nothing may throw but a VioError at the beginning, and nothing outside the driver's memory
 * be named, or outside the notes be written.
 */
export function fuzzInflight(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const notes = new HostileNotes(new Random(seed));
  while (log.open) log.state(() => notes.run(log));
  return log.result();
}

class HostileNotes {
  readonly #random: Random;
  readonly #map: MemoryMap;
  readonly #ring = new DataView(new ArrayBuffer(memoryBytes));
  readonly #notes = new DataView(new ArrayBuffer(2 * border + inflightBytes('packed', mostSize)));
  readonly #noteBytes = new Uint8Array(this.#notes.buffer);
  readonly #border = new Uint8Array(border).fill(0x5a);
  readonly #chains = new ChainBurst(mostSize, 256);

  constructor(random: Random) {
    this.#random = random;
    const region = new Region(this.#ring.buffer);
    this.#map = new MemoryMap([{ region, guestAddress: guest, userAddress: 0, size: memoryBytes }]);
  }

  run(log: FuzzLog): string | undefined {
    const random = this.#random;
    const format = random.pick<RingFormat>(['split', 'packed', 'packed']);
    const size = random.pick(format === 'packed' ? [1, 3, 8, 16] : [1, 2, 8, 16]);
    this.#writeRing(format, size);
    this.#noteBytes.fill(0x5a);
    this.#noteBytes.fill(0, border, border + inflightBytes(format, size));
    if (format === 'packed') this.#writePacked(size);
    else this.#writeSplit(size);
    if (random.chance(0.2)) this.#damage(format, size);
    const queue = this.#open(format, size, log);
    if (queue === undefined) return undefined;
    log.saw(`opened ${format}`);
    const wrong = this.#use(queue, format, size, log);
    const clean =
      Buffer.compare(this.#noteBytes.subarray(0, border), this.#border) === 0 &&
      this.#noteBytes.subarray(border + inflightBytes(format, size)).every((byte) => byte === 0x5a);
    return wrong ?? (clean ? undefined : 'memory beside the notes was written');
  }

  #open(format: RingFormat, size: number, log: FuzzLog): DeviceQueue | undefined {
    const part = (offset: number) => ({ window: 0, offset });
    try {
      return createTrackedDeviceQueue(
        {
          memory: this.#map,
          addresses: {
            descriptors: part(at.descriptors),
            driver: part(at.driver),
            device: part(at.device),
          },
          size,
          features: { format, inOrder: false, indirect: true, eventIdx: this.#random.chance(0.3) },
          base: format === 'packed' ? 0x8000_8000 : 0,
        },
        { buffer: this.#notes.buffer, offset: border },
      );
    } catch (error) {
      if (!VioError.is(error)) throw error;
      log.saw(error.code);
      return undefined;
    }
  }

  #use(queue: DeviceQueue, format: RingFormat, size: number, log: FuzzLog): string | undefined {
    const random = this.#random;
    const chains = this.#chains;
    for (let round = 0; round < 6 && queue.broken === undefined; round++) {
      const n = queue.fetch(chains, 4);
      log.saw('chain', n);
      for (let s = 0; s < chains.firstSegment[n]; s++) {
        const end = chains.offset[s] + chains.length[s];
        if (chains.offset[s] < 0 || end > memoryBytes)
          return `a segment at ${chains.offset[s]} ends at ${end}`;
      }
      chains.written.fill(7, 0, n);
      if (n > 1 && random.chance(0.3)) queue.unfetch(chains, 1);
      queue.complete(chains, 0, chains.count);
      if (random.chance(0.3)) this.#damage(format, size);
      queue.callNeeded();
      queue.base();
      queue.pending();
    }
    if (queue.broken !== undefined) log.saw('broken');
    return undefined;
  }

  #writeRing(format: RingFormat, size: number): void {
    const random = this.#random;
    const ring = this.#ring;
    if (random.chance(0.5)) random.scramble(new Uint8Array(ring.buffer), 0, 16 * mostSize);
    else {
      for (let slot = 0; slot < size; slot++)
        this.#describe(slot, format === 'packed' ? slot | 0x80_0000 : 0);
    }
    ring.setUint16(at.device + 2, random.chance(0.7) ? random.below(size + 2) : random.u32(), true);
    ring.setUint16(at.driver + 2, random.chance(0.7) ? random.below(size + 2) : random.u32(), true);
  }

  #describe(slot: number, word3: number): void {
    const place = at.descriptors + 16 * slot;
    this.#ring.setBigUint64(place, BigInt(guest + bufferAt), true);
    this.#ring.setUint32(place + 8, 64, true);
    this.#ring.setUint32(place + 12, word3, true);
  }

  #writeHead(size: number): void {
    const random = this.#random;
    this.#put16(version, random.chance(0.97) ? currentVersion : random.below(3));
    this.#put16(descNum, random.chance(0.97) ? size : random.u32());
  }

  #writeSplit(size: number): void {
    const random = this.#random;
    this.#writeHead(size);
    const used = this.#ring.getUint16(at.device + 2, true);
    this.#put16(splitRegion.lastBatchHead, random.below(size));
    this.#put16(splitRegion.usedIdx, random.chance(0.8) ? used - random.below(3) : random.u32());
    for (let i = 0; i < size; i++) {
      const entry = splitRegion.head + i * splitState.bytes;
      this.#put8(entry + splitState.inflight, random.chance(0.5) ? random.below(3) : 0);
      this.#put16(entry + splitState.next, random.chance(0.95) ? random.below(size) : random.u32());
      this.#put32(entry + splitState.counter, random.u32());
      this.#put32(entry + splitState.counter + 4, random.chance(0.5) ? 0 : random.u32());
    }
  }

  /** A list of free entries behind some that are in use, as a device leaves it, with mistakes. */
  #writePacked(size: number): void {
    const random = this.#random;
    this.#writeHead(size);
    const used = random.below(size);
    this.#put16(packedRegion.usedIdx, used);
    this.#put16(packedRegion.oldUsedIdx, random.chance(0.5) ? used : random.below(size));
    this.#put8(packedRegion.usedWrap, random.below(2));
    this.#put8(packedRegion.oldUsedWrap, random.below(2));
    const order = Array.from({ length: size }, (_, i) => i);
    for (let i = size - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    const inUse = random.below(size + 1);
    for (const [i, slot] of order.entries()) {
      const entry = packedRegion.head + slot * packedState.bytes;
      this.#put8(entry + packedState.inflight, i < inUse && random.chance(0.8) ? random.below(3) : 0);
      this.#put16(entry + packedState.next, random.chance(0.95) ? (order[i + 1] ?? size) : random.u32());
      this.#put16(entry + packedState.last, random.chance(0.9) ? slot : random.u32());
      this.#put16(entry + packedState.num, random.chance(0.9) ? 1 : random.below(size + 2));
      this.#put32(entry + packedState.counter, random.below(100));
      this.#put16(entry + packedState.id, random.chance(0.5) ? random.below(size) : random.u32());
      this.#put16(entry + packedState.flags, random.chance(0.8) ? 0x82 : random.u32());
      this.#put32(entry + packedState.length, random.chance(0.8) ? 64 : random.u32());
      this.#put32(entry + packedState.address, guest + bufferAt);
    }
    const free = order[inUse] ?? size;
    this.#put16(packedRegion.freeHead, free);
    this.#put16(packedRegion.oldFreeHead, random.chance(0.9) ? free : random.below(size + 1));
  }

  #damage(format: RingFormat, size: number): void {
    for (let i = 0; i < 8; i++) {
      this.#put8(this.#random.below(inflightBytes(format, size)), this.#random.u32());
    }
  }

  #put8(place: number, value: number): void {
    this.#notes.setUint8(border + place, value);
  }

  #put16(place: number, value: number): void {
    this.#notes.setUint16(border + place, value & most16, true);
  }

  #put32(place: number, value: number): void {
    this.#notes.setUint32(border + place, value, true);
  }
}
