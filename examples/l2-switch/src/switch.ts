// A learning Ethernet switch: every vhost-user socket is a port of it.
import { offloadFeatureBits, segmentationFeatureBits, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { BufferPool, Region, poolStride } from '@vio/rings';
import { VhostDriver, controlFeatures, hashFeatures, untilDevicePackets, unwanted } from '@vio/vhost';
import { MacTable, isGroup, macAt } from './mac-table.ts';
import type { SwitchOptions } from './options.ts';
import { type Lane, SwitchPort } from './port.ts';

/** Queue pairs a port may have. */
const queuePairs = 8;
/** Rounds without a packet before the switch sleeps until a driver kicks it: a few milliseconds. */
const patientRounds = 2000;
/** Buffers of 2 KiB: a packet of 64 KiB takes 33. */
const buffers = 4096;
const bufferBytes = 2048;
/** In front of every frame; its virtio-net header lies there. */
const headroom = 128;

export interface SwitchCounts {
  forwarded: number;
  flooded: number;
  dropped: number;
}

export class L2Switch {
  readonly counts: SwitchCounts = { forwarded: 0, flooded: 0, dropped: 0 };
  readonly #options: SwitchOptions;
  readonly #trouble: (port: string, what: string) => void;
  readonly #drivers: VhostDriver[] = [];
  readonly #ports: SwitchPort[] = [];
  readonly #table: MacTable<SwitchPort>;
  readonly #pool = new BufferPool({
    region: new Region(new ArrayBuffer(buffers * poolStride(bufferBytes, headroom))),
    offset: 0,
    count: buffers,
  });
  #idleRounds = 0;
  /** Ends a sleep. */
  #wake = new AbortController();
  #running = true;

  /** @param trouble is told what a port's frontend or driver does wrong; the others go on */
  constructor(options: SwitchOptions, trouble: (port: string, what: string) => void = () => {}) {
    this.#trouble = trouble;
    this.#options = options;
    this.#table = new MacTable(options.ageing);
  }

  /** Those with somebody at the other end. */
  get ports(): readonly SwitchPort[] {
    return this.#ports;
  }

  /**
   * Adds a socket: whoever is at its other end is a port.
   * @param uplink it is the network outside, and not a guest
   */
  async addSocket(path: string, { uplink = false } = {}): Promise<void> {
    const { client, mergeable, tso, txChecksum } = this.#options;
    const driver = VhostDriver.register(path, { client });
    driver.setQueueNum(queuePairs);
    // Drivers may choose how many queues they use, how packets are spread over them, and what they want to receive.
    driver.enableFeatures(controlFeatures | hashFeatures);
    if (!mergeable) driver.disableFeatures(VIRTIO_NET_F_MRG_RXBUF);
    if (!txChecksum) driver.disableFeatures(offloadFeatureBits);
    else if (!tso) driver.disableFeatures(segmentationFeatureBits);
    driver.callbacks({
      newDevice: (device) => {
        this.#ports.push(new SwitchPort(path, device, uplink));
        this.#wake.abort();
      },
      refused: (_, { code, message }) => this.#trouble(path, `${code}: ${message}`),
      broken: (_, ring, { code, detail }) => this.#trouble(path, `ring ${ring}: ${code}, ${detail}`),
      destroyDevice: (device) => this.#remove(this.#ports.findIndex((port) => port.device === device)),
    });
    await driver.start();
    this.#drivers.push(driver);
  }

  /** Polls while there are packets, sleeps while there are none, until `close`; returns to the event loop after every round. */
  run(): void {
    if (!this.#running) return;
    let moved = 0;
    for (const port of this.#ports) {
      // A pair that is not in use any more may still have frames that wait.
      const pairs = Math.max(port.device.pairsInUse, port.lanes.length);
      for (let pair = 0; pair < pairs; pair++) moved += this.#serve(port, pair);
    }
    this.#idleRounds = moved > 0 ? 0 : this.#idleRounds + 1;
    if (this.#idleRounds < patientRounds) setImmediate(() => this.run());
    else void this.#sleep().then(() => this.run());
  }

  async close(): Promise<void> {
    this.#running = false;
    this.#wake.abort();
    await Promise.all(this.#drivers.map((driver) => driver.close()));
  }

  /** Until one of the devices has sent something, or devices come or go. */
  async #sleep(): Promise<void> {
    this.#wake = new AbortController();
    const devices = this.#ports.map(({ device }) => device);
    await untilDevicePackets(devices, { signal: this.#wake.signal });
  }

  #remove(index: number): void {
    if (index === -1) return;
    const [port] = this.#ports.splice(index, 1);
    port.gone = true;
    this.#table.forget(port);
    for (const lane of port.lanes) this.#finish(lane);
  }

  /** One queue pair's turn. @returns frames it had, old ones that still wait included */
  #serve(from: SwitchPort, pair: number): number {
    const lane = from.lane(pair);
    const { burst } = lane;
    if (!lane.waits) {
      if (from.device.dequeueBurst(2 * pair + 1, this.#pool, burst, burst.capacity) === 0) return 0;
      // What comes back to these flows goes to the receive queue of this pair.
      from.steering.learn(pair, burst);
      from.counts.sent += burst.count;
      this.#route(from, lane);
    }
    const had = burst.count - lane.at;
    if (this.#forward(from, lane)) this.#finish(lane);
    return had;
  }

  /** Gives the buffers of a lane back. */
  #finish(lane: Lane): void {
    lane.burst.release();
    lane.burst.count = 0;
    lane.at = 0;
    lane.tries = 0;
  }

  /** Learns where frames come from, and finds out where each of them goes. */
  #route(from: SwitchPort, lane: Lane): void {
    const { burst, to, ring } = lane;
    const { u8 } = this.#pool.region;
    const now = performance.now();
    for (let i = 0; i < burst.count; i++) {
      const at = burst.offset[i];
      const port = this.#destination(from, u8, at, now);
      to[i] = port;
      // The first piece of a frame is its headers and more.
      if (port !== undefined && port !== from)
        ring[i] = port.steering.queueFor(u8, at, Math.min(burst.length[i], bufferBytes));
    }
  }

  /** @returns undefined: all others; `from`: nobody */
  #destination(from: SwitchPort, u8: Uint8Array, at: number, now: number): SwitchPort | undefined {
    const { vm2vm } = this.#options;
    if (!isGroup(u8, at + 6)) {
      const source = macAt(u8, at + 6);
      // What guests have sent may come back from a switch behind the uplink: they are still where they were.
      const reflected =
        vm2vm !== 'software' && from.uplink && this.#table.lookup(source, now)?.uplink === false;
      if (!reflected) this.#table.learn(source, from, now);
      else if (vm2vm === 'off') return from;
    }
    if (vm2vm !== 'software' && !from.uplink) return this.#ports.find(({ uplink }) => uplink) ?? from;
    return isGroup(u8, at) ? undefined : this.#table.lookup(macAt(u8, at), now);
  }

  /** Sends the frames of a lane on, in order. @returns false when one of them waits for its port to have room */
  #forward(from: SwitchPort, lane: Lane): boolean {
    const { burst, to, ring } = lane;
    while (lane.at < burst.count) {
      const first = lane.at;
      const port = to[first];
      let end = first + 1;
      if (port === undefined) {
        this.#flood(from, lane, first);
      } else if (port !== from && !port.gone && ring[first] !== unwanted) {
        while (end < burst.count && to[end] === port && ring[end] === ring[first]) end++;
        end = this.#deliver(port, lane, end);
        if (end === first) return false;
      }
      lane.at = end;
    }
    return true;
  }

  /** Gives frames up to `end` to one ring of a port. @returns which is next; that may be the first one again, later */
  #deliver(port: SwitchPort, lane: Lane, end: number): number {
    const { retry } = this.#options;
    const { at } = lane;
    if (lane.tries > 0) {
      if (performance.now() < lane.due) return at;
      port.counts.retries++;
    }
    const delivered = port.steering.deliver(lane.burst, at, end - at);
    port.counts.received += delivered;
    this.counts.forwarded += delivered;
    if (at + delivered === end) {
      lane.tries = 0;
      return end;
    }
    if (delivered === 0 && lane.tries === retry.times) {
      port.counts.dropped += end - at;
      this.counts.dropped += end - at;
      lane.tries = 0;
      return end;
    }
    lane.tries = delivered > 0 ? Math.min(1, retry.times) : lane.tries + 1;
    lane.due = performance.now() + retry.delay;
    return at + delivered;
  }

  /** A frame for all others: whoever has no room does not get it. */
  #flood(from: SwitchPort, { burst }: Lane, i: number): void {
    const { vm2vm } = this.#options;
    const { u8 } = this.#pool.region;
    // A guest's own frame that came back from behind the uplink is not for that guest.
    const origin =
      vm2vm === 'hardware'
        ? this.#table.lookup(macAt(u8, burst.offset[i] + 6), performance.now())
        : undefined;
    for (const port of this.#ports) {
      if (port === from || port === origin) continue;
      const delivered = port.steering.deliver(burst, i, 1);
      port.counts.received += delivered;
      this.counts.flooded += delivered;
    }
  }
}
