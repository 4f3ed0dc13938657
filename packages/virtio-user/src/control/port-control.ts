import type { WaitOptions } from '@vio/native';
import { type ControlChannel, NetControl, type QueuePairsListener, type RssLimits } from '@vio/net';
import type { VhostTransport } from '@vio/vhost';
import type { ControlRing } from './control-ring.ts';
import { EmulatedControl } from './emulated-control.ts';

/**
 * Where a port's commands go: nowhere (`none`), to the frontend itself (`emulated`), to a ring of the backend's device
 * (`ring`), or through the transport to a ring of its own (`transport`).
 */
export type ControlKind = 'none' | 'emulated' | 'ring' | 'transport';

export interface PortControlOptions {
  readonly kind: ControlKind;
  readonly features: bigint;
  readonly queues: number;
  /** Of `ring`. */
  readonly ring: ControlRing | null;
  /** What the device says it can do. */
  readonly rss: RssLimits | undefined;
  /** Told of changes of the queue pairs. */
  readonly listener: QueuePairsListener;
}

/** A port's way to its device's control queue, over several lives of the device. */
export class PortControl implements Disposable {
  /** What the port gives to its users. */
  readonly commands: NetControl;
  readonly ring: ControlRing | null;
  readonly #kind: ControlKind;
  readonly #queues: number;

  constructor({ kind, features, queues, ring, rss, listener }: PortControlOptions) {
    this.#kind = kind;
    this.#queues = queues;
    this.ring = ring;
    this.commands = new NetControl({
      features,
      channel: null,
      maxPairs: queues,
      filters: kind !== 'emulated',
      rss,
      // A device with a control queue begins with one pair; the others have those that are enabled.
      queuePairs: kind === 'ring' ? 1 : queues,
      onQueuePairs: listener,
    });
  }

  /** Once the device runs: it gets the commands of its earlier life, or learns what a port begins with. */
  async begin(transport: VhostTransport, mac: string, wait: WaitOptions): Promise<void> {
    const first = !this.commands.connected;
    await this.commands.restart(this.#channel(transport), wait);
    if (!first || this.#kind !== 'ring') return;
    await this.commands.setMac(mac, wait);
    if (this.#queues > 1) await this.commands.setQueuePairs(this.#queues, wait);
  }

  [Symbol.dispose](): void {
    this.ring?.[Symbol.dispose]();
  }

  #channel(transport: VhostTransport): ControlChannel | null {
    switch (this.#kind) {
      case 'none':
        return null;
      case 'emulated':
        return new EmulatedControl(transport, this.#queues);
      case 'ring':
        return this.ring?.queue ?? null;
      case 'transport':
        return transport.control ?? null;
    }
  }
}
