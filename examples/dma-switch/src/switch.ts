// The switch: frames go from port to port without a copy of its own; the copies into and out of guests are other threads' work.
import { PacketBurst } from '@vio/net';
import { BufferPool, Region, poolStride } from '@vio/rings';
import { CopyThread, VhostDriver, dmaConfigure, dmaUnconfigure, untilDevicePackets } from '@vio/vhost';
import { MacTable, isGroup, macAt } from './mac-table.ts';
import type { PortDmas } from './options.ts';
import { Port } from './port.ts';

/** Rounds without a frame before the switch sleeps until a guest kicks it: a few milliseconds. */
const patientRounds = 2000;
const buffers = 8192;
const bufferBytes = 2048;
const headroom = 128;

export class DmaSwitch {
  readonly counts = { forwarded: 0, flooded: 0 };
  readonly #lock: boolean;
  readonly #trouble: (port: string, what: string) => void;
  readonly #engines = new Map<string, CopyThread>();
  readonly #drivers: VhostDriver[] = [];
  readonly #ports: Port[] = [];
  readonly #table = new MacTable<Port>();
  readonly #burst = new PacketBurst(64, { offloads: true });
  readonly #scratch = new Int32Array(1);
  readonly #pool = new BufferPool({
    region: new Region(new ArrayBuffer(buffers * poolStride(bufferBytes, headroom))),
    offset: 0,
    count: buffers,
  });
  #idleRounds = 0;
  /** Ends a sleep. */
  #wake = new AbortController();
  #running = true;

  /** @param lock guests' memory is locked @param trouble is told what a guest, or an engine, does wrong; the others go on */
  constructor(lock: boolean, trouble: (port: string, what: string) => void = () => {}) {
    this.#lock = lock;
    this.#trouble = trouble;
  }

  /** Those with somebody at the other end. */
  get ports(): readonly Port[] {
    return this.#ports;
  }

  /** Adds a socket: whoever connects to it is a port. */
  async addSocket(path: string, dmas: PortDmas): Promise<void> {
    const driver = VhostDriver.register(path, { asyncCopy: true, lock: this.#lock });
    driver.setQueueNum(1);
    const engines = { tx: this.#engine(dmas.tx), rx: this.#engine(dmas.rx) };
    driver.callbacks({
      newDevice: (device) => {
        this.#ports.push(new Port(path, device, engines));
        this.#wake.abort();
      },
      destroyDevice: (device) => this.#remove(this.#ports.findIndex((port) => port.device === device)),
      refused: (_, { code, message }) => this.#trouble(path, `${code}: ${message}`),
      broken: (_, ring, { code, detail }) => this.#trouble(path, `ring ${ring}: ${code}, ${detail}`),
    });
    await driver.start();
    this.#drivers.push(driver);
  }

  /** Polls while there are frames, sleeps while there are none, until `close`; returns to the event loop after every round. */
  run(): void {
    if (!this.#running) return;
    let busy = 0;
    for (const port of this.#ports) busy += this.#serve(port);
    for (const port of this.#ports) {
      port.deliver();
      busy += port.inFlight;
    }
    this.#idleRounds = busy > 0 ? 0 : this.#idleRounds + 1;
    if (this.#idleRounds < patientRounds) setImmediate(() => this.run());
    else void this.#sleep().then(() => this.run());
  }

  async close(): Promise<void> {
    this.#running = false;
    this.#wake.abort();
    await Promise.all(this.#drivers.map((driver) => driver.close()));
    for (const engine of this.#engines.values()) dmaUnconfigure(engine);
  }

  /** Until a guest has sent something, or ports come or go. */
  async #sleep(): Promise<void> {
    this.#wake = new AbortController();
    const devices = this.#ports.map(({ device }) => device);
    await untilDevicePackets(devices, { signal: this.#wake.signal });
  }

  /** The thread of a name, which begins when it is named first. */
  #engine(name: string | undefined): CopyThread | undefined {
    if (name === undefined) return undefined;
    let engine = this.#engines.get(name);
    if (engine !== undefined) return engine;
    engine = CopyThread.create();
    dmaConfigure(engine, { onFault: ({ code, message }) => this.#trouble(name, `${code}: ${message}`) });
    this.#engines.set(name, engine);
    return engine;
  }

  #remove(index: number): void {
    if (index === -1) return;
    const [port] = this.#ports.splice(index, 1);
    this.#table.forget(port);
    port.leave();
  }

  /** One port's turn: what its guest has sent goes to the ports it is for. @returns frames */
  #serve(from: Port): number {
    if (this.#ports.some((port) => !port.hasRoom)) return 1;
    const burst = this.#burst;
    const n = from.take(this.#pool, burst);
    const { u8 } = this.#pool.region;
    for (let i = 0; i < n; i++) {
      const at = burst.offset[i];
      if (!isGroup(u8, at + 6)) this.#table.learn(macAt(u8, at + 6), from);
      const to = isGroup(u8, at) ? undefined : this.#table.lookup(macAt(u8, at));
      if (to === undefined) this.#flood(from, i);
      else if (to === from) burst.releaseOne(i);
      else {
        this.#give(to, i);
        this.counts.forwarded++;
      }
    }
    burst.count = 0;
    return n;
  }

  /** The frame itself goes on, nothing of it is copied here. */
  #give(to: Port, i: number): void {
    const { out } = to;
    const burst = this.#burst;
    const at = out.count++;
    out.pool = this.#pool;
    out.buffer[at] = burst.buffer[i];
    out.offset[at] = burst.offset[i];
    out.length[at] = burst.length[i];
    out.segments[at] = burst.segments[i];
    if (burst.offloads !== undefined) out.offloads?.copy(at, burst.offloads, i);
  }

  /** A frame for all others: the last one gets it, the ones before copies in buffers of their own, because each is on its own way. */
  #flood(from: Port, i: number): void {
    const others = this.#ports.filter((port) => port !== from);
    const last = others.pop();
    for (const port of others) {
      if (!this.#clone(i, port)) continue;
      this.counts.flooded++;
    }
    if (last === undefined) return this.#burst.releaseOne(i);
    this.#give(last, i);
    this.counts.flooded++;
  }

  /** @returns false when there is no buffer for it */
  #clone(i: number, to: Port): boolean {
    const burst = this.#burst;
    const pool = this.#pool;
    const segments = burst.segments[i];
    if (pool.available(segments) < segments) return false;
    const { u8 } = pool.region;
    this.#give(to, i);
    const at = to.out.count - 1;
    let before = -1;
    for (let k = 0, from = burst.buffer[i]; k < segments; k++) {
      pool.alloc(this.#scratch, 0, 1);
      const [b] = this.#scratch;
      const start = segments === 1 ? burst.offset[i] : pool.dataOffset[from];
      const bytes = segments === 1 ? burst.length[i] : pool.dataLength[from];
      const data = pool.dataBase + b * pool.stride;
      u8.copyWithin(data, start, start + bytes);
      pool.dataOffset[b] = data;
      pool.dataLength[b] = bytes;
      if (k === 0) {
        to.out.buffer[at] = b;
        to.out.offset[at] = data;
      } else pool.next[before] = b;
      before = b;
      from = pool.next[from];
    }
    return true;
  }
}
