import assert from 'node:assert/strict';
import { ChainBurst } from '../device/chain-burst.ts';
import { SingleBurst } from '../device/single-burst.ts';
import type { RingPair, RingPairRequest } from './ring-pair.ts';

/** Bytes in front of every packet's data that the driver exposes with it. */
const prefix = 12;

interface Packet {
  readonly number: number;
  readonly head: number;
  readonly segments: number;
  /** Bytes exposed, the prefix included. */
  readonly bytes: number;
  /** What the device wrote. */
  written: number;
}

/** A chain the device holds. */
interface Held {
  readonly packet: Packet;
  readonly id: number;
  readonly slots: number;
  readonly segments: readonly Segment[];
}

/** Bytes in one window of the memory that the device sees. */
interface Segment {
  readonly window: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * Plays driver and device against each other and keeps the books: what is exposed, held, used, in which order and
 * with which bytes, and who sleeps. Each method is a step that a script may take at any time.
 */
export class Exchange {
  readonly #pair: RingPair;
  readonly #request: RingPairRequest;
  readonly #chains: ChainBurst;
  readonly #singles: SingleBurst;
  readonly #waiting: Packet[] = [];
  readonly #held: Held[] = [];
  readonly #used: Packet[] = [];
  #count = 0;
  #deviceSleeps = false;
  #driverSleeps = false;

  constructor(pair: RingPair, request: RingPairRequest) {
    this.#pair = pair;
    this.#request = request;
    this.#chains = new ChainBurst(request.size, 16 * request.size);
    this.#singles = new SingleBurst(request.size);
  }

  /** Packets exposed so far. */
  get count(): number {
    return this.#count;
  }

  /** The driver exposes up to `count` packets of so many segments. */
  add(count: number, segments: number): void {
    const { driver, pool } = this.#pair;
    const heads = new Int32Array(count);
    const offset = new Int32Array(count);
    const length = new Int32Array(count);
    const packets: Packet[] = [];
    for (let i = 0; i < count; i++) {
      const packet = this.#build(this.#count + i, segments);
      packets.push(packet);
      heads[i] = packet.head;
      offset[i] = pool.dataOffset[packet.head];
      length[i] = pool.dataLength[packet.head];
    }
    const added =
      segments === 1
        ? driver.add(heads, offset, length, 0, count, prefix)
        : driver.addChains(heads, new Int32Array(count).fill(segments), pool, 0, count, prefix);
    assert.equal(driver.broken, undefined);
    if (added < count)
      assert.ok(driver.free < segments, `${added} of ${count} added, ${driver.free} still free`);
    for (const { head } of packets.slice(added)) pool.releaseChain(head);
    this.#waiting.push(...packets.slice(0, added));
    this.#count += added;
    assert.equal(driver.outstanding, this.#waiting.length + this.#held.length + this.#used.length);
  }

  /** The driver kicks if it is told to; a device that sleeps while buffers wait must be woken. */
  kick(): void {
    const kicked = this.#pair.driver.kickNeeded();
    if (!this.#deviceSleeps) return;
    assert.ok(
      kicked || this.#waiting.length === 0,
      'the device sleeps, buffers wait, and the driver does not kick',
    );
    if (!kicked) return;
    this.#deviceSleeps = false;
    this.#pair.device.disarmKick();
  }

  /** The device, unless asleep, takes up to `max` chains and checks what is in them. */
  fetch(max: number): void {
    if (this.#deviceSleeps) return;
    const { device } = this.#pair;
    const chains = this.#chains;
    const count = device.fetch(chains, max);
    assert.equal(device.broken, undefined);
    assert.equal(count, Math.min(max, chains.capacity, this.#waiting.length));
    for (let i = 0; i < count; i++) this.#held.push(this.#check(this.#waiting[i], i));
    this.#waiting.splice(0, count);
  }

  /** The device, unless asleep, serves up to `max` chains the fast way: those of one descriptor, used at once. */
  serveSingles(max: number): void {
    // With IN_ORDER those taken earlier come first.
    if (this.#deviceSleeps || (this.#request.features.inOrder && this.#held.length > 0)) return;
    const { device } = this.#pair;
    const { deviceWrites } = this.#request;
    const singles = this.#singles;
    const count = device.fetchSingles(singles, max, { writable: deviceWrites, prefix }, 1, 20);
    assert.equal(device.broken, undefined);
    assert.equal(count, singles.count);
    const possible = Math.min(max, singles.capacity, this.#waiting.length);
    assert.ok(count <= possible, `${count} of ${possible} chains taken`);
    assert.ok(singles.blocked || count === possible, 'what is left is for the other way');
    for (const [i, packet] of this.#waiting.splice(0, count).entries()) {
      assert.deepEqual([packet.segments, singles.length[i]], [1, packet.bytes - prefix]);
      const segment = {
        window: singles.window,
        offset: singles.offset[i] - prefix,
        length: singles.length[i] + prefix,
      };
      this.#compare(packet, [segment]);
      if (deviceWrites) this.#write(packet, [segment]);
      singles.written[i] = packet.written;
      this.#used.push(packet);
    }
    device.completeSingles(singles);
  }

  /** The device uses up to `count` of the chains it holds; without IN_ORDER `pick` says which. */
  complete(count: number, pick: number): void {
    const { device } = this.#pair;
    const chains = this.#chains;
    const n = Math.min(count, this.#held.length);
    for (let i = 0; i < n; i++) {
      const [held] = this.#held.splice(this.#request.features.inOrder ? 0 : pick % this.#held.length, 1);
      if (this.#request.deviceWrites) this.#write(held.packet, held.segments);
      chains.id[i] = held.id;
      chains.slots[i] = held.slots;
      chains.written[i] = held.packet.written;
      this.#used.push(held.packet);
    }
    device.complete(chains, 0, n);
  }

  /** The device calls if it is told to; a driver that sleeps while used buffers wait must be woken. */
  call(): void {
    const called = this.#pair.device.callNeeded();
    if (!this.#driverSleeps) return;
    assert.ok(
      called || this.#used.length === 0,
      'the driver sleeps, used buffers wait, and the device does not call',
    );
    if (!called) return;
    this.#driverSleeps = false;
    this.#pair.driver.disarmInterrupt();
  }

  /** The driver, unless asleep, takes back up to `max` buffers and checks what the device wrote. */
  reap(max: number): void {
    if (this.#driverSleeps) return;
    const { driver, pool } = this.#pair;
    const token = new Int32Array(max);
    const length = new Int32Array(max);
    const count = driver.reap(token, length, 0, max);
    assert.equal(driver.broken, undefined);
    assert.equal(count, Math.min(max, this.#used.length));
    for (const [i, packet] of this.#used.splice(0, count).entries()) {
      assert.deepEqual(
        [token[i], length[i]],
        [packet.head, packet.written],
        'token and length of a used buffer',
      );
      if (this.#request.deviceWrites) this.#checkWritten(packet);
      pool.releaseChain(packet.head);
    }
  }

  /** The device goes to sleep, unless it finds while arming that buffers wait. */
  sleepDevice(): void {
    if (this.#deviceSleeps) return;
    const waiting = this.#pair.device.armKick();
    assert.equal(waiting, this.#waiting.length > 0, 'armKick says whether buffers wait');
    this.#deviceSleeps = !waiting;
  }

  /** The driver goes to sleep, unless it finds while arming that used buffers wait. */
  sleepDriver(): void {
    if (this.#driverSleeps) return;
    const waiting = this.#pair.driver.armInterrupt();
    assert.equal(waiting, this.#used.length > 0, 'armInterrupt says whether used buffers wait');
    this.#driverSleeps = !waiting;
  }

  /** Brings everything home and checks that nothing is lost and both sides stand at the same place. */
  finish(): void {
    const { driver, device, pool } = this.#pair;
    while (driver.outstanding > 0) {
      const before = driver.outstanding;
      this.kick();
      this.fetch(this.#request.size);
      this.complete(this.#request.size, 0);
      this.call();
      this.reap(this.#request.size);
      assert.ok(driver.outstanding < before, `${before} buffers do not come back`);
    }
    assert.deepEqual(
      {
        free: driver.free,
        buffers: pool.free,
        driver: driver.base(),
        faults: [driver.broken, device.broken],
      },
      { free: driver.size, buffers: pool.count, driver: device.base(), faults: [undefined, undefined] },
    );
  }

  /** The device stops for good and the driver takes back what it still held. */
  reclaim(): void {
    const { driver, pool } = this.#pair;
    const expected = [...this.#waiting, ...this.#held.map(({ packet }) => packet), ...this.#used];
    const token = new Int32Array(driver.size);
    const back = token.subarray(0, driver.reclaim(token));
    assert.deepEqual(back.toSorted(), Int32Array.from(expected, ({ head }) => head).toSorted());
    for (const head of back) pool.releaseChain(head);
    assert.deepEqual([pool.free, driver.outstanding], [pool.count, 0]);
  }

  /** A packet in pool buffers, its segments of 1 to 20 bytes; the device's direction decides if it has content. */
  #build(number: number, segments: number): Packet {
    const { pool } = this.#pair;
    const buffers = new Int32Array(segments);
    assert.equal(pool.alloc(buffers, 0, segments), segments, 'the pool of the pair is too small');
    let bytes = prefix;
    for (const [i, b] of buffers.entries()) {
      pool.next[b] = i + 1 < segments ? buffers[i + 1] : -1;
      pool.dataOffset[b] = pool.dataBase + b * pool.stride;
      pool.dataLength[b] = 1 + ((number + i) % 20);
      bytes += pool.dataLength[b];
    }
    const packet = { number, head: buffers[0], segments, bytes, written: 0 };
    const fill = this.#request.deviceWrites ? () => 0 : (at: number) => contentByte(number, at);
    this.#eachByte(packet.head, (u8, offset, at) => (u8[offset] = fill(at)));
    return packet;
  }

  /** Calls `visit` for every byte of a packet, in the driver's memory: array, index there, index in the packet. */
  #eachByte(head: number, visit: (u8: Uint8Array, offset: number, at: number) => void): void {
    const { pool } = this.#pair;
    let at = 0;
    for (let b = head; b !== -1; b = pool.next[b]) {
      const start = pool.dataOffset[b] - (b === head ? prefix : 0);
      const end = pool.dataOffset[b] + pool.dataLength[b];
      for (let offset = start; offset < end; offset++) visit(pool.region.u8, offset, at++);
    }
  }

  /** Compares chain `i` as fetched with the packet that was exposed. */
  #check(packet: Packet, i: number): Held {
    const chains = this.#chains;
    const segments = [];
    for (let s = chains.firstSegment[i]; s < chains.firstSegment[i + 1]; s++) {
      segments.push({ window: chains.window[s], offset: chains.offset[s], length: chains.length[s] });
    }
    this.#compare(packet, segments);
    const bytes = this.#request.deviceWrites ? [0, packet.bytes] : [packet.bytes, 0];
    assert.deepEqual([chains.readableBytes[i], chains.writableBytes[i]], bytes, 'bytes of a chain');
    return { packet, id: chains.id[i], slots: chains.slots[i], segments };
  }

  /** Compares the memory that a chain names with the packet that was exposed. */
  #compare(packet: Packet, segments: readonly Segment[]): void {
    let at = 0;
    for (const { window, offset, length } of segments) {
      const { u8 } = this.#pair.memory.windows[window].region;
      for (let k = 0; k < length; k++, at++) {
        const expected = this.#request.deviceWrites ? 0 : contentByte(packet.number, at);
        if (u8[offset + k] !== expected) assert.fail(`byte ${at} of packet ${packet.number} differs`);
      }
    }
    assert.equal(at, packet.bytes, 'bytes of a packet');
  }

  /** The device fills part of a chain, the whole of it every other time. */
  #write(packet: Packet, segments: readonly Segment[]): void {
    const { memory } = this.#pair;
    packet.written = packet.number % 2 === 0 ? packet.bytes : packet.number % packet.bytes;
    let at = 0;
    for (const { window, offset, length } of segments) {
      for (let k = 0; k < length && at < packet.written; k++, at++) {
        memory.windows[window].region.u8[offset + k] = contentByte(packet.number, at);
      }
    }
  }

  #checkWritten(packet: Packet): void {
    this.#eachByte(packet.head, (u8, offset, at) => {
      const expected = at < packet.written ? contentByte(packet.number, at) : 0;
      if (u8[offset] !== expected) assert.fail(`byte ${at} of packet ${packet.number} differs`);
    });
  }
}

/** Never 0, so that a byte that was not written shows. */
function contentByte(number: number, at: number): number {
  return 1 + ((number * 31 + at * 7) % 255);
}
