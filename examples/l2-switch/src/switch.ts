// A learning Ethernet switch: every vhost-user socket is a port of it.
import { PacketBurst } from '@vio/net';
import { BufferPool, Region } from '@vio/rings';
import {
  ReceiveSteering,
  type VhostDevice,
  VhostDriver,
  controlFeatures,
  hashFeatures,
  untilDevicePackets,
} from '@vio/vhost';
import { MacTable, isGroup, macAt } from './mac-table.ts';

/** Queue pairs a port may have. */
const queuePairs = 8;
/** Rounds without a packet before the switch sleeps until a driver kicks it: a few milliseconds. */
const patientRounds = 2000;

export interface SwitchCounts {
  forwarded: number;
  flooded: number;
}

export class L2Switch {
  readonly counts: SwitchCounts = { forwarded: 0, flooded: 0 };
  readonly #drivers: VhostDriver[] = [];
  /** What is connected, and which of its receive queues gets what. */
  readonly #devices = new Map<VhostDevice, ReceiveSteering>();
  readonly #table: MacTable<VhostDevice>;
  readonly #pool = new BufferPool({
    region: new Region(new ArrayBuffer(1024 * 2176)),
    offset: 0,
    count: 1024,
  });
  readonly #burst = new PacketBurst(32, { offloads: true });
  #idleRounds = 0;
  /** Ends a sleep. */
  #wake = new AbortController();
  #running = true;

  /** @param ageing milliseconds after which an address that was not heard again is forgotten */
  constructor(ageing?: number) {
    this.#table = new MacTable(ageing);
  }

  /** Adds a port: a vhost-user socket this switch listens on. */
  async addPort(path: string): Promise<void> {
    const driver = VhostDriver.register(path);
    driver.setQueueNum(queuePairs);
    // Drivers may choose how many queues they use, how packets are spread over them, and what they want to receive.
    driver.enableFeatures(controlFeatures | hashFeatures);
    driver.callbacks({
      newDevice: (device) => {
        this.#devices.set(device, new ReceiveSteering(device));
        this.#wake.abort();
      },
      destroyDevice: (device) => {
        this.#devices.delete(device);
        this.#table.forget(device);
      },
    });
    await driver.start();
    this.#drivers.push(driver);
  }

  /** Polls while there are packets, sleeps while there are none, until `close`; returns to the event loop after every round. */
  run(): void {
    if (!this.#running) return;
    let moved = 0;
    for (const [device, steering] of this.#devices) {
      for (let pair = 0; pair < device.pairsInUse; pair++) moved += this.#serve(device, pair, steering);
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
    await untilDevicePackets(this.#devices.keys(), { signal: this.#wake.signal });
  }

  #serve(from: VhostDevice, pair: number, steering: ReceiveSteering): number {
    const burst = this.#burst;
    const received = from.dequeueBurst(2 * pair + 1, this.#pool, burst, burst.capacity);
    if (received === 0) return 0;
    // What comes back to these flows goes to the receive queue of this pair.
    steering.learn(pair, burst);
    const { u8 } = this.#pool.region;
    const now = performance.now();
    for (let i = 0; i < received; i++) {
      const at = burst.offset[i];
      if (!isGroup(u8, at + 6)) this.#table.learn(macAt(u8, at + 6), from, now);
      const to = isGroup(u8, at) ? undefined : this.#table.lookup(macAt(u8, at), now);
      if (to === undefined) this.#flood(from, i);
      else if (to !== from) this.counts.forwarded += this.#devices.get(to)?.deliver(burst, i, 1) ?? 0;
    }
    burst.release(this.#pool);
    return received;
  }

  #flood(from: VhostDevice, index: number): void {
    for (const [device, steering] of this.#devices) {
      if (device !== from) this.counts.flooded += steering.deliver(this.#burst, index, 1);
    }
  }
}
