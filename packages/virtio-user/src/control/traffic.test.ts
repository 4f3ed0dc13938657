import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { ReceiveSteering, type VhostDevice, VhostDriver, controlFeatures } from '@vio/vhost';
import { describe, expect, it } from 'vitest';
import { openVirtioUser } from '../open.ts';
import type { VirtioUserPort } from '../virtio-user-port.ts';

const pairs = 8;
const frameBytes = 60;
/** Of all frames sent: their answers come to this address, which the port has. */
const source = '02:00:00:00:00:02';
/** Where a frame says which one it is, as 32 bits; behind an UDP header. */
const serialAt = 42;

/** A backend that answers every packet: sends it back with its ends exchanged, by receive steering. */
class Responder implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'vio-traffic-'));
  readonly path = join(this.#directory, 'vhost.sock');
  readonly #driver = VhostDriver.register(this.path);
  readonly #pool = privatePool(256);
  readonly #burst = new PacketBurst(32);
  #device: VhostDevice | undefined;
  #steering: ReceiveSteering | undefined;
  #running = true;
  #loop: Promise<void> = Promise.resolve();
  undelivered = 0;

  /** @param own whether the device has a control queue of its own */
  async start(own: boolean): Promise<void> {
    if (own) this.#driver.enableFeatures(controlFeatures);
    this.#driver.setQueueNum(pairs);
    this.#driver.callbacks({
      newConnection: (device) => {
        this.#device = device;
        this.#steering = new ReceiveSteering(device);
      },
    });
    await this.#driver.start();
    this.#loop = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running = false;
    await this.#loop;
    await this.#driver.close();
    rmSync(this.#directory, { recursive: true });
  }

  async #run(): Promise<void> {
    while (this.#running) {
      for (let pair = 0; pair < pairs; pair++) this.#answer(pair);
      await turn();
    }
  }

  #answer(pair: number): void {
    const burst = this.#burst;
    if (this.#device === undefined || this.#steering === undefined) return;
    if (this.#device.dequeueBurst(2 * pair + 1, this.#pool, burst) === 0) return;
    this.#steering.learn(pair, burst);
    const { u8 } = this.#pool.region;
    for (let i = 0; i < burst.count; i++) exchange(u8, burst.offset[i]);
    this.undelivered += burst.count - this.#steering.deliver(burst);
    burst.release();
  }
}

function exchange(u8: Uint8Array, at: number): void {
  for (const [one, other, bytes] of [
    [0, 6, 6],
    [26, 30, 4],
    [34, 36, 2],
  ]) {
    const kept = u8.slice(at + one, at + one + bytes);
    u8.copyWithin(at + one, at + other, at + other + bytes);
    u8.set(kept, at + other);
  }
}

/** A UDP frame of flow `flow`, with a number. */
function write(u8: Uint8Array, at: number, flow: number, serial: number): void {
  u8.fill(0, at, at + frameBytes);
  u8.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45], at);
  u8.set([17, 0, 0, 10, 0, 0, 1, 10, 0, flow >>> 8, flow & 0xff, 4, 0, 8, 0], at + 23);
  new DataView(u8.buffer, u8.byteOffset).setUint32(at + serialAt, serial);
}

/** Sends numbered frames on the pairs in use, a flow for each, and takes the answers from all of them. */
class Traffic {
  readonly #port: VirtioUserPort;
  readonly #out: PacketBurst;
  readonly #in: PacketBurst;
  readonly #missing = new Set<number>();
  #serial = 0;
  sent = 0;
  /** Answers that came on another queue than their flow left on. */
  astray = 0;
  /** By queue pair. */
  readonly received = Array.from({ length: pairs }, () => 0);

  constructor(port: VirtioUserPort) {
    this.#port = port;
    this.#out = port.burst(8);
    this.#in = port.burst(32);
  }

  get missing(): number {
    return this.#missing.size;
  }

  send(inUse: number): void {
    const { pool, tx } = this.#port;
    const { u8 } = pool.region;
    for (let pair = 0; pair < inUse; pair++) {
      this.#out.allocate(pool, 8, frameBytes);
      for (let i = 0; i < this.#out.count; i++) {
        this.#missing.add(this.#serial);
        write(u8, this.#out.offset[i], pair, this.#serial++);
      }
      const taken = tx[pair].send(this.#out);
      this.sent += taken;
      for (let i = taken; i < this.#out.count; i++) this.#missing.delete(--this.#serial);
      this.#out.release(taken);
    }
  }

  receive(): void {
    const { pool, rx } = this.#port;
    const view = new DataView(pool.region.u8.buffer);
    for (const [pair, queue] of rx.entries()) {
      queue.receive(this.#in);
      for (let i = 0; i < this.#in.count; i++) {
        const at = this.#in.offset[i];
        // The answer's source is the frame's destination.
        if (view.getUint16(at + 28) !== pair) this.astray++;
        this.#missing.delete(view.getUint32(at + serialAt));
        this.received[pair]++;
      }
      this.#in.release();
    }
  }

  async run(inUse: number, rounds: number): Promise<void> {
    for (let i = 0; i < rounds; i++) {
      this.send(inUse);
      this.receive();
      await turn();
    }
  }

  /** Takes answers until something is done. */
  async during(something: Promise<void>): Promise<void> {
    const done = something.then(() => true);
    while (!(await Promise.race([done, turn(false)]))) this.receive();
  }

  /** Takes what is still to come. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5000 && this.missing > 0; i++) {
      this.receive();
      await turn();
    }
  }
}

describe.each([
  ['a control queue of the backend', true],
  ['an emulated one', false],
] as const)('with %s', (_, own) => {
  describe.each([
    ['split', false],
    ['packed', true],
  ] as const)('and %s rings', (__, packed) => {
    it('no packet is lost when queue pairs go from 1 to 8 and back under traffic', async () => {
      await using responder = new Responder();
      await responder.start(own);
      await using port = await openVirtioUser({
        path: responder.path,
        mac: source,
        queues: pairs,
        queue_size: 64,
        packed_vq: packed,
      });
      const traffic = new Traffic(port);
      await port.control.setQueuePairs(1);
      for (const inUse of [1, 8, 3, 8, 1]) {
        // Frames are under way all the time, and answers are taken while the device is told.
        traffic.send(Math.min(inUse, port.control.queuePairs));
        await traffic.during(port.control.setQueuePairs(inUse));
        await traffic.run(inUse, 40);
      }
      await traffic.settle();
      expect([traffic.missing, responder.undelivered]).toEqual([0, 0]);
      expect(Math.min(...traffic.received)).toBeGreaterThan(0);
      expect(traffic.sent).toBeGreaterThan(5 * 40 * 8);
    });

    it('answers come back on the queue their flow left on', async () => {
      await using responder = new Responder();
      await responder.start(own);
      await using port = await openVirtioUser({
        path: responder.path,
        mac: source,
        queues: 4,
        packed_vq: packed,
      });
      const traffic = new Traffic(port);
      await traffic.run(4, 20);
      await traffic.settle();
      expect([traffic.astray, traffic.missing, traffic.received.slice(0, 4)]).toEqual([
        0,
        0,
        [160, 160, 160, 160],
      ]);
    });
  });
});
