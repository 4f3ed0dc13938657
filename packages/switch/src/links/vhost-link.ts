import { type PacketBurst, type RingState, featureNames } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import { ReceiveSteering, type VhostDevice } from '@vio/vhost';
import { deviceDumps, deviceRings } from '@vio/vhost/internal';
import type { Link } from '../fabric/link.ts';

/** A frontend that is connected to a socket of the switch: a container's port, or a guest. */
export class VhostLink implements Link {
  readonly device: VhostDevice;
  queues: number;
  readonly #steering: ReceiveSteering;
  readonly #wake: () => void;
  /** While it sleeps. */
  #sleep: AbortController | undefined;
  /** Frames it did not want, of those before this one. */
  #filtered = 0;

  /** @param wake is called when it has sent something while it was armed */
  constructor(device: VhostDevice, wake: () => void) {
    this.device = device;
    this.queues = device.pairsInUse;
    this.#steering = new ReceiveSteering(device);
    this.#wake = wake;
  }

  /** The rings in use are others. */
  changed(): void {
    this.queues = this.device.pairsInUse;
  }

  receive(queue: number, pool: BufferPool, burst: PacketBurst): number {
    const count = this.device.dequeueBurst(2 * queue + 1, pool, burst, burst.capacity);
    // What comes back to these flows goes to the receive queue of this pair.
    if (count > 0) this.#steering.learn(queue, burst);
    return count;
  }

  deliver(burst: PacketBurst, from: number, count: number): number {
    const delivered = this.#steering.deliver(burst, from, count);
    const unwanted = this.#steering.filtered - this.#filtered;
    this.#filtered += unwanted;
    return count - delivered - unwanted;
  }

  arm(): boolean {
    if (this.#sleep !== undefined) return false;
    const sleep = new AbortController();
    this.#sleep = sleep;
    // What came before the driver was asked for kicks ends the sleep at once.
    void this.device.untilPackets({ signal: sleep.signal }).then(() => {
      if (this.#sleep !== sleep) return undefined;
      this.#sleep = undefined;
      return this.#wake();
    });
    return false;
  }

  disarm(): void {
    const sleep = this.#sleep;
    this.#sleep = undefined;
    sleep?.abort();
  }

  stats(): Record<string, number> {
    return this.device.stats();
  }

  rings(): RingState[] {
    return deviceRings(this.device);
  }

  dump(): Iterable<object> {
    return deviceDumps(this.device);
  }

  describe(): Record<string, unknown> {
    const { features, pairsInUse, mtu } = this.device;
    return { kind: 'vhost-user', features: featureNames(features), pairs: pairsInUse, announcedMtu: mtu };
  }
}
