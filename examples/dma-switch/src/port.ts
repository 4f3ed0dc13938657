// A port of the switch: a guest that is connected, and the frames on their way to it and from it.
import { PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { DmaEngine, VhostDevice } from '@vio/vhost';

/** The rings of the one queue pair, by their numbers for the guest. */
const receives = 0;
const sends = 1;
const burstSize = 64;
/** How often a full receive queue is tried again before frames for it are dropped. */
const retries = 64;

/** What copies for a port; undefined: the thread that switches. */
export interface PortEngines {
  readonly tx: DmaEngine | undefined;
  readonly rx: DmaEngine | undefined;
}

/** Counted in frames. */
export interface PortCounts {
  /** Sent by the port. */
  sent: number;
  /** Received by it. */
  received: number;
  /** For this port, but its receive queue stayed full. */
  dropped: number;
}

export class Port {
  readonly name: string;
  readonly device: VhostDevice;
  readonly counts: PortCounts = { sent: 0, received: 0, dropped: 0 };
  /** Frames for it, in order; those up to `#at` are dealt with. */
  readonly out = new PacketBurst(2 * burstSize, { offloads: true });
  #at = 0;
  #tries = 0;
  readonly #engines: PortEngines;
  readonly #reported = new PacketBurst(burstSize);

  /** In the callback newDevice. */
  constructor(name: string, device: VhostDevice, engines: PortEngines) {
    this.name = name;
    this.device = device;
    this.#engines = engines;
    const { tx, rx } = engines;
    if (tx !== undefined) device.asyncChannelRegisterThreadUnsafe(receives, { engine: tx, inOrder: true });
    if (rx !== undefined) device.asyncChannelRegisterThreadUnsafe(sends, { engine: rx, inOrder: true });
  }

  /** Frames that are copied for it, or from it, right now: who has some does not sleep. */
  get inFlight(): number {
    const { device } = this;
    const { tx, rx } = this.#engines;
    const count = (engine: DmaEngine | undefined, queue: number): number =>
      engine === undefined ? 0 : device.asyncGetInflight(queue);
    return this.out.count - this.#at + count(tx, receives) + count(rx, sends);
  }

  /** True when it takes another burst's worth of frames. */
  get hasRoom(): boolean {
    return this.out.capacity - this.out.count >= burstSize;
  }

  /** Takes what its guest has sent. @returns how many frames */
  take(pool: BufferPool, burst: PacketBurst): number {
    const { device } = this;
    const max = Math.min(burstSize, burst.capacity);
    const n =
      this.#engines.rx === undefined
        ? device.dequeueBurst(sends, pool, burst, max)
        : device.tryDequeueBurst(sends, pool, burst, max);
    this.counts.sent += n;
    return n;
  }

  /** Gives its guest the frames that are for it, as far as it has room, and gives back the buffers of those that are there. */
  deliver(): void {
    this.#send();
    if (this.#engines.tx !== undefined) this.#reclaim();
  }

  /** In the callback destroyDevice: nothing of it is on its way after this. */
  leave(): void {
    const { device, out } = this;
    const reported = this.#reported;
    const { tx, rx } = this.#engines;
    for (const [engine, queue] of [
      [tx, receives],
      [rx, sends],
    ] as const) {
      if (engine === undefined) continue;
      while (device.clearQueueThreadUnsafe(queue, reported) > 0) reported.release();
      device.asyncChannelUnregisterThreadUnsafe(queue);
    }
    out.release(this.#at);
    out.count = this.#at = 0;
  }

  #send(): void {
    const { device, out, counts } = this;
    const waiting = out.count - this.#at;
    if (waiting === 0) return;
    let n: number;
    if (this.#engines.tx === undefined) {
      n = device.enqueueBurst(receives, out, this.#at);
      this.#release(n);
    } else n = device.submitEnqueueBurst(receives, out, this.#at);
    counts.received += n;
    this.#at += n;
    if (n < waiting && n === 0 && ++this.#tries > retries) {
      counts.dropped += waiting;
      this.#release(waiting);
      this.#at = out.count;
    }
    if (n > 0) this.#tries = 0;
    if (this.#at < out.count) return;
    this.#tries = 0;
    out.count = this.#at = 0;
  }

  /** Gives the next `count` buffers back. */
  #release(count: number): void {
    for (let i = this.#at; i < this.#at + count; i++) this.out.releaseOne(i);
  }

  #reclaim(): void {
    while (this.device.pollEnqueueCompleted(receives, this.#reported) > 0) this.#reported.release();
  }
}
